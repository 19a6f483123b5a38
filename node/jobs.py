"""The frozen records of the node: what was received, how it ended, and where the results went."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

TRY_AGAIN = "the image is kept: see the worker's log, then `sgseg-node requeue`"
"""What to do where the node is at fault."""


class Ending(StrEnum):
    """How an image ended."""

    FINDING = "finding"
    NO_FINDING = "no finding"
    REJECTED = "rejected"  # the image is at fault
    QUARANTINED = "quarantined"  # another image with its SOP Instance UID was stored before, or it has none
    FAILED = "failed"  # the node is at fault: a person must look

    @property
    def judged(self) -> bool:
        """True where the image was judged; else its results folder has at most the report that it was not."""
        return self in (Ending.FINDING, Ending.NO_FINDING)


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """
    One received image.

    Attributes:
        id: the key of the image (`job_id`). The same SOP Instance UID and the same content give the same id.
        sop_instance_uid: SOP Instance UID (0008,0018), as the sender named it.
        file: path of the image, relative to the store's folder.
        conflicting: True where an image with the same SOP Instance UID and other content was stored before.
        peer: AE title of the sender.
        received_at: POSIX time of the last byte, in seconds.
        places: how far it moves in the queue: an urgent image forward (negative), one that can wait back
            (`node.receive.urgency`).
    """

    id: str
    sop_instance_uid: str
    file: str
    conflicting: bool
    peer: str
    received_at: float
    places: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """
    How one image ended.

    Attributes:
        ending: in one word.
        reason: in one word, "" where all went well; for logs and the status table.
        detail: cause and remedy in a sentence, without patient data.
        files: names of all stored result files.
        destinations: names of the destinations that get some of them. They are fixed here, so that a change of the
            configuration does not change a job that has begun.
        sends: for each destination the names of the files that it gets, in the order of delivery.
        answer: summary of the results, and the weights that judged (`node.judge.judged.summary_of`); "" where the
            image was not judged, or where a version before 0.2.0 wrote the record.
        again: True where disk, device or network were at fault, so that another attempt may succeed.
        started_at, finished_at: POSIX time, in seconds.
        seconds: time of each stage.
    """

    ending: Ending
    reason: str = ""
    detail: str = ""
    files: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    sends: dict[str, tuple[str, ...]] = field(default_factory=dict)
    answer: str = ""
    again: bool = False
    started_at: float = 0.0
    finished_at: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Outcome":
        """
        Read what `dataclasses.asdict` wrote, from a dictionary or from JSON.

        Version 0.1.0 had no `sends`: every destination got every file.
        """
        lists = {name: tuple(values[name]) for name in ("files", "destinations")}
        stored = values.get("sends", dict.fromkeys(values["destinations"], values["files"]))
        sends = {destination: tuple(names) for destination, names in stored.items()}
        return cls(**{**values, **lists, "sends": sends, "ending": Ending(values["ending"])})


class Sent(StrEnum):
    """How a delivery stands."""

    DELIVERED = "delivered"
    WAITING = "waiting"  # the destination does not respond, is full or denies access: tried again
    REFUSED = "refused"  # the destination refused an object for good: a person must look
    FAILED = "failed"  # no attempt is left, or a defect: a person must look


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """
    How the delivery of one job to one destination stands.

    Attributes:
        destination: its name in the configuration.
        state: in one word.
        detail: cause and remedy in a sentence; "" where all went well.
        at: POSIX time of the last attempt, in seconds; 0 where there was none. While the delivery waits, *at* and
            *detail* are those of the attempt that first gave this reason.
        seconds: time that the last attempt took.
        taken_at: POSIX time when the destination last took everything of an attempt, before the end of this one;
            0 where that is not known.
        took_others: True where the destination took other results since the attempt before. Such a failure counts
            ([deliver] attempts).
    """

    destination: str
    state: Sent
    detail: str = ""
    at: float = 0.0
    seconds: float = 0.0
    taken_at: float = 0.0
    took_others: bool = False

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Delivery":
        """Read what `dataclasses.asdict` wrote."""
        return cls(**{**values, "state": Sent(values["state"])})


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """
    One line of the status: a job and what has become of it.

    Attributes:
        job: what was received.
        state: "waiting", "working", or the ending.
        outcome: None while the job waits or is in work.
        deliveries: one for each destination of the job.
        acknowledged: True where a person has looked at it and acknowledged it (`node.store.acknowledgements`).
    """

    job: Job
    state: str
    outcome: Outcome | None = None
    deliveries: tuple[Delivery, ...] = ()
    acknowledged: bool = False

    @property
    def settled(self) -> bool:
        """True where nothing more will happen without a person."""
        return self.outcome is not None and all(d.state is not Sent.WAITING for d in self.deliveries)

    @property
    def failed(self) -> bool:
        """True where the image failed, or its delivery to one destination; other deliveries may still wait."""
        refused = any(d.state in (Sent.REFUSED, Sent.FAILED) for d in self.deliveries)
        return self.state == Ending.FAILED or refused

    @property
    def lost(self) -> bool:
        """True where it has settled without a result or without a delivery, through the node or a destination."""
        return self.settled and self.failed

    @property
    def needs_look(self) -> bool:
        """True where it failed or lies in the quarantine, and no person has acknowledged that."""
        return not self.acknowledged and (self.failed or self.state == Ending.QUARANTINED)


def instance_key(sop_instance_uid: str) -> str:
    """Give the name of an instance on disk: 32 hexadecimal digits that reveal nothing of the patient."""
    return hashlib.sha256(sop_instance_uid.encode()).hexdigest()[:32]


def job_id(sop_instance_uid: str, digest: str, *, conflicting: bool = False) -> str:
    """
    Give the key of one content (*digest*, hexadecimal SHA-256) under one SOP Instance UID.

    A *conflicting* image has a key of its own. So it is judged if it comes again after the other image was deleted.
    """
    return f"{instance_key(sop_instance_uid)}-{digest[:16]}{'-conflict' if conflicting else ''}"
