"""
Writes what became of images: the queue is the source, and the trail follows it.

So nothing that the queue has recorded is missing, whenever a process dies, and no step of the work waits for the
trail. The receiver notes what comes in by itself (it knows the address); what it could not write is found here too.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from node.audit.chain import Event, parsed, written
from node.audit.trail import Trail, lines_of
from node.jobs import Delivery, Entry, Outcome, Sent
from node.store.fsync import storage
from node.store.store import Store
from sgseg_dicom.errors import StorageUnavailable

log = structlog.get_logger(__name__)

SECONDS = 5.0
"""How often the queue is asked."""

_WINDOW_SECONDS = 2 * 86400.0
"""
Older events are not looked for: a trail that begins today does not begin with the past. A trail that was begun goes
on where it ended, however long ago.
"""

_DAYS = 4
"""Files of the trail in which an event of the window can stand."""

_CHECK_SECONDS = 3600.0
_SETTLED_SECONDS = 60.0
"""After so long, the receiver has written what it noted."""

_ENDS = {Sent.DELIVERED: "delivered", Sent.REFUSED: "refused", Sent.FAILED: "given_up"}
_FOLLOWED = {"answered", *_ENDS.values()}
"""Events that nobody else writes."""

Key = tuple[Any, ...]


class Jobs(Protocol):
    """What the follower needs of `node.work.queue.Jobs`."""

    def ended_since(self, moment: str) -> list[Entry]:
        """Give the jobs that ended after *moment*, or one of whose deliveries did."""
        ...

    def received_since(self, moment: str) -> list[Entry]:
        """Give the jobs that were queued after *moment*."""
        ...


class Follower:
    """
    Appends what the queue knows and the trail does not.

    Args:
        trail: where to.
        jobs: the queue.
        store: where the results are: their UIDs are those of the objects that went out.
    """

    def __init__(self, trail: Trail, jobs: Jobs, store: Store) -> None:
        self._trail, self._jobs, self._store = trail, jobs, store
        self._known: dict[Key, float] = {}
        self._since = self._oldest = float("-inf")
        self._checked_at = float("-inf")
        self._failing = False

    def look(self) -> None:
        """Append what is new. Where queue or trail cannot be used, the next look finds it again."""
        try:
            self._look()
            self._failing = False
        except StorageUnavailable as error:
            if not self._failing:
                log.error(
                    "audit_failed", detail=f"{error}; it is tried again, and the queue keeps the events"
                )
            self._failing = True

    def _look(self) -> None:
        now, new, is_check = time.time(), dict[Key, Event](), self._is_check_due()
        if is_check:  # not in the constructor: a trail that cannot be read stops nothing but itself
            self._known |= self._written()
            if self._since < 0:
                self._since = self._oldest = self._begin(now)
        for entry in self._jobs.ended_since(_moment(self._since - _SETTLED_SECONDS)):
            new |= self._ends(entry)
        if is_check:
            for entry in self._jobs.received_since(_moment(self._oldest)):
                if entry.job.received_at < now - _SETTLED_SECONDS:
                    new |= self._new([_received(entry)])
        if new:
            self._trail.append(sorted(new.values(), key=lambda event: float(event["at"])))
        if is_check:
            self._checked_at = time.monotonic()
        self._since, self._oldest = now, now - _WINDOW_SECONDS
        oldest = now - _DAYS * 86400
        self._known = {key: at for key, at in self._known.items() if at > oldest} | {
            key: float(event["at"]) for key, event in new.items()
        }

    def _is_check_due(self) -> bool:
        return time.monotonic() - self._checked_at > _CHECK_SECONDS

    def _begin(self, now: float) -> float:
        """Give the time of the oldest event to look for: after a longer pause, where the worker stopped to write."""
        ends = [at for key, at in self._known.items() if key[0] in _FOLLOWED]
        return min(now - _WINDOW_SECONDS, max(ends) - _SETTLED_SECONDS) if ends else now - _WINDOW_SECONDS

    def _new(self, events: Iterable[Event]) -> dict[Key, Event]:
        keyed = {_key(event): event for event in events if float(event["at"]) > self._oldest}
        return {key: event for key, event in keyed.items() if key not in self._known}

    def _ends(self, entry: Entry) -> dict[Key, Event]:
        """Give what is new of an image and of its results at each destination. Only then the results are read."""
        if entry.outcome is None or not (new := self._new(_events(entry, entry.outcome))):
            return {}
        study, objects = self._objects(entry.job.id, entry.outcome)
        return {
            key: {**event, "study": study, **_went(event, entry.outcome, objects)}
            for key, event in new.items()
        }

    def _objects(self, job_id: str, outcome: Outcome) -> tuple[str, dict[str, list[str]]]:
        """Give the study of the results, and of each file the SOP Class and the SOP Instance UID."""
        study, objects = "", dict[str, list[str]]()
        folder = self._store.results.folder_of(job_id)
        for name in outcome.files if folder else ():
            try:
                ds = dcmread(
                    folder / name,  # type: ignore[operator]
                    specific_tags=["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID"],
                    stop_before_pixels=True,
                )
            except (OSError, InvalidDicomError):  # deleted in the meantime, or damaged
                continue
            study = str(ds.get("StudyInstanceUID", study))
            objects[name] = [str(ds.get("SOPClassUID", "")), str(ds.get("SOPInstanceUID", ""))]
        return study, objects

    def _written(self) -> dict[Key, float]:
        """Give what stands in the newest files."""
        known = {}
        with storage(self._trail.folder):
            for path in self._trail.files()[-_DAYS:]:
                for line in lines_of(path):
                    if event := parsed(line):
                        known[_line_key(event)] = datetime.fromisoformat(event["at"]).timestamp()
        return known


def _events(entry: Entry, outcome: Outcome) -> Iterator[Event]:
    """Give what became of an image, and of its results at each destination."""
    ids = {"job": entry.job.id, "image": entry.job.sop_instance_uid}
    yield {
        **ids,
        "event": "answered",
        "at": outcome.finished_at or entry.job.received_at,
        "ending": outcome.ending.value,
        "reason": outcome.reason,
    }
    for sent in entry.deliveries:
        if sent.state in _ENDS:
            yield {**ids, **_sent(sent)}


def _went(event: Event, outcome: Outcome, objects: Mapping[str, list[str]]) -> dict[str, list[list[str]]]:
    """Give the objects that a destination got, where the event is the end of a delivery."""
    if "destination" not in event:
        return {}
    names = outcome.sends.get(event["destination"], ())
    return {"objects": [objects[name] for name in names if name in objects]}


def _received(entry: Entry) -> Event:
    job = entry.job
    return {
        "event": "received",
        "at": job.received_at,
        "image": job.sop_instance_uid,
        "sender": job.peer,
        "job": job.id,
        "how": "conflicting" if job.conflicting else "new",
        "from_queue": True,
    }


def _sent(sent: Delivery) -> Event:
    return {"event": _ENDS[sent.state], "at": sent.at + sent.seconds, "destination": sent.destination}


def _key(event: Event) -> Key:
    """Give what tells an event from others; an image is received once or more, but one is enough to know of it."""
    return _line_key({**event, "at": written(float(event["at"]))})


def _line_key(line: Event) -> Key:
    """Give the key of an event as it stands in the trail."""
    if line["event"] == "received":
        return "received", line.get("job")
    return line["event"], line.get("job"), line.get("destination"), line["at"]


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
