"""
Writes events behind the work: who notes one does not wait for the disk.

What a crash takes with it is at most the last quarter of a second. The queue knows it, and `node.audit.follower`
writes it later.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import structlog

from node.audit.chain import Event
from node.audit.trail import Trail
from sgseg_dicom.config import Audit
from sgseg_dicom.errors import StorageUnavailable

log = structlog.get_logger(__name__)

_GATHER_SECONDS = 0.25
"""Events of so long share one write and one fsync."""

_AGAIN_SECONDS = 5.0
_MOST = 50_000
"""Events that wait while the disk is full, about 25 MB; older ones then go, and one event says how many."""


class Note(Protocol):
    """Takes events for the audit trail."""

    def __call__(self, event: str, **facts: Any) -> None:
        """Note that *event* happened now; *facts* are ids, AE titles, addresses, names of destinations and codes."""
        ...


def note_nothing(event: str, **facts: Any) -> None:
    """Stand for the trail where [audit] enabled is false."""


class Recorder:
    """
    Writes what is noted, in a thread.

    Args:
        trail: where to.
    """

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._waiting: deque[Event] = deque()
        self._missed = 0
        self._changed = threading.Condition()
        self._closing = self._failing = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def note(self, event: str, **facts: Any) -> None:
        """Note an event; see `Note`."""
        with self._changed:
            if len(self._waiting) >= _MOST:
                self._waiting.popleft()
                self._missed += 1
            self._waiting.append({"at": time.time(), **facts, "event": event})
            self._changed.notify()

    def close(self) -> None:
        """Write what waits, if the disk takes it."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(10.0)

    def _run(self) -> None:
        while self._wait():
            events, missed = self._taken()
            try:
                self._trail.append(events + missed)
                self._failing = False
            except StorageUnavailable as error:
                self._put_back(events, missed)
                if not self._failing:
                    log.error("audit_failed", detail=f"{error}; it is tried again, and events wait in memory")
                self._failing = True
                if self._closing:
                    return

    def _wait(self) -> bool:
        """Wait for events, and a moment for more; False where none will come."""
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            if not self._closing:
                self._changed.wait_for(
                    lambda: self._closing, _AGAIN_SECONDS if self._failing else _GATHER_SECONDS
                )
            return bool(self._waiting)

    def _taken(self) -> tuple[list[Event], list[Event]]:
        with self._changed:
            events, missed = list(self._waiting), self._missed
            self._waiting.clear()
            self._missed = 0
        return events, [{"at": time.time(), "event": "missed", "events": missed}] if missed else []

    def _put_back(self, events: list[Event], missed: list[Event]) -> None:
        with self._changed:
            self._waiting.extendleft(reversed(events))
            self._missed += sum(event["events"] for event in missed)


@contextmanager
def recording(settings: Audit, store: Path, *, role: str) -> Iterator[Note]:
    """Give what takes events of a half of the node ("receive" or "work"), and note its start and its end."""
    if not settings.enabled:
        yield note_nothing
        return
    recorder = Recorder(Trail(store))
    recorder.note("started", role=role)
    try:
        yield recorder.note
    finally:
        recorder.note("stopped", role=role)
        recorder.close()
