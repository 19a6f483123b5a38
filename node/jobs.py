"""The frozen records of the node: what was received, how it ended, where it went."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

TRY_AGAIN = "the image is kept: see the worker's log, then `sgseg-node requeue`"
"""The cure of what we are at fault of."""


class Ending(StrEnum):
    """How an image ended."""

    FINDING = "finding"
    NO_FINDING = "no finding"
    REJECTED = "rejected"  # the image is at fault
    QUARANTINED = (
        "quarantined"  # its SOP Instance UID was already taken by other content, or none can be read
    )
    FAILED = "failed"  # we are at fault: a person must look

    @property
    def judged(self) -> bool:
        """Whether the image was judged; if not, its results folder has at most an answer that says so."""
        return self in (Ending.FINDING, Ending.NO_FINDING)


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """
    One received image.

    Attributes:
        id: the key of the image (`job_id`): same SOP Instance UID and same content, same id.
        sop_instance_uid: SOP Instance UID (0008,0018), as the sender named it.
        file: where the store keeps it, relative to the store's folder.
        conflicting: True where the SOP Instance UID was already kept with other content.
        peer: AE title of the sender.
        received_at: POSIX time of the last byte, in seconds.
    """

    id: str
    sop_instance_uid: str
    file: str
    conflicting: bool
    peer: str
    received_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """
    How one image ended.

    Attributes:
        ending: in one word.
        reason: in one word, "" where all went well; for logs and the status table.
        detail: cause and cure in a sentence, without patient data.
        files: names of the kept results, of every form.
        destinations: names of those who shall get some; fixed here, so that a change of the configuration
            does not change a job under way.
        sends: for each destination the names of the files that it gets, in the order of delivery.
        answer: what is said of the image, and by which weights (`node.work.outcomes.answer_of`); "" where it was not
            judged, and of versions before 0.2.0.
        again: True where the surroundings were at fault and another attempt may go well.
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
        Read what `dataclasses.asdict` wrote, also after a way through JSON.

        Version 0.1.0 knew no `sends`: every destination got every file.
        """
        lists = {name: tuple(values[name]) for name in ("files", "destinations")}
        said = values.get("sends", dict.fromkeys(values["destinations"], values["files"]))
        sends = {destination: tuple(names) for destination, names in said.items()}
        return cls(**{**values, **lists, "sends": sends, "ending": Ending(values["ending"])})


class Sent(StrEnum):
    """How a delivery stands."""

    DELIVERED = "delivered"
    WAITING = "waiting"  # the destination does not answer, is full or does not let us in: tried again
    REFUSED = "refused"  # the destination said no: a person must look
    FAILED = "failed"  # attempts used up, or a defect: a person must look


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """
    How the delivery of one job to one destination stands.

    Attributes:
        destination: its name in the configuration.
        state: in one word.
        detail: cause and cure in a sentence; "" where all went well.
        at: POSIX time of the last attempt, in seconds; while it waits, that of the first, whose *detail* it has.
        seconds: time that the last attempt took.
        taken_at: POSIX time when the destination last took anything, before the end of this attempt; 0: not known.
    """

    destination: str
    state: Sent
    detail: str = ""
    at: float = 0.0
    seconds: float = 0.0
    taken_at: float = 0.0

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
        acknowledged: True where somebody has looked at it and said so (`node.store.acknowledgements`).
    """

    job: Job
    state: str
    outcome: Outcome | None = None
    deliveries: tuple[Delivery, ...] = ()
    acknowledged: bool = False

    @property
    def settled(self) -> bool:
        """True where nothing more will happen by itself."""
        return self.outcome is not None and all(d.state is not Sent.WAITING for d in self.deliveries)

    @property
    def failed(self) -> bool:
        """True where the image, or its way to one of the destinations, has failed; others may still wait."""
        refused = any(d.state in (Sent.REFUSED, Sent.FAILED) for d in self.deliveries)
        return self.state == Ending.FAILED or refused

    @property
    def lost(self) -> bool:
        """True where it has settled without a result, or without its delivery, and we or a peer are at fault."""
        return self.settled and self.failed

    @property
    def needs_look(self) -> bool:
        """True where a person must look and nobody has: something of it failed, or it lies in the quarantine."""
        return not self.acknowledged and (self.failed or self.state == Ending.QUARANTINED)


def instance_key(sop_instance_uid: str) -> str:
    """Give the name of an instance on disk: 32 hexadecimal digits that tell nothing of the patient."""
    return hashlib.sha256(sop_instance_uid.encode()).hexdigest()[:32]


def job_id(sop_instance_uid: str, digest: str, *, conflicting: bool = False) -> str:
    """
    Give the key of one content (*digest*, hexadecimal sha256) under one SOP Instance UID.

    Another one where it is *conflicting*: it is judged if it comes again once the other content is forgotten.
    """
    return f"{instance_key(sop_instance_uid)}-{digest[:16]}{'-conflict' if conflicting else ''}"
