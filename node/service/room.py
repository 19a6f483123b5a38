"""Room on the disk: where it becomes little, what is delivered goes before its days are over, the oldest first."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from node.audit.recorder import Note, note_nothing
from node.jobs import Entry, Sent
from node.service.housekeeping import remove
from node.store.store import Store

if TYPE_CHECKING:
    from node.work.queue import Jobs

log = structlog.get_logger(__name__)

SECONDS = 30.0
"""How often the free space is looked at."""

_REST = 9.0
"""
After a look at all jobs, the next one waits for so many times what that took: it may be half a million of them, and
none of them may go.
"""


class Room:
    """
    Keeps space free, by [store] make_room_below_megabytes.

    Args:
        store: whose file system is looked at.
        jobs: the queue.
        below_bytes: below so much free space, delivered jobs are deleted; 0: never.
        note: takes each for the audit trail.
    """

    def __init__(self, store: Store, jobs: "Jobs", *, below_bytes: int, note: Note = note_nothing) -> None:
        self._store, self._jobs, self._below, self._note = store, jobs, below_bytes, note
        self._said, self._rests_until = False, 0.0

    def make(self) -> int:
        """
        Delete delivered jobs until there is room, and count them.

        Raises:
            StorageUnavailable: the store or the queue cannot be used.
        """
        if not self._below or self._is_enough():
            self._said = False
            return 0
        if time.monotonic() < self._rests_until:
            return 0
        deleted, began = 0, time.monotonic()
        for entry in self._jobs.ended_before(datetime.now(UTC).isoformat()):
            if self._is_enough():
                break
            if is_delivered(entry) and remove(self._store, self._jobs, entry):
                self._note("deleted", job=entry.job.id, image=entry.job.sop_instance_uid, why="room")
                deleted += 1
        else:  # all were looked at
            self._rests_until = time.monotonic() + _REST * (time.monotonic() - began)
        free = self._store.free_bytes() >> 20
        if deleted:
            log.warning("room_made", jobs=deleted, free_megabytes=free)
        if not self._is_enough() and not self._said:
            self._said = True
            cure = "what is left is not delivered, or a person must look at it; make room by hand"
            log.error("no_room", free_megabytes=free, detail=cure)
        return deleted

    def _is_enough(self) -> bool:
        return self._store.free_bytes() >= self._below


def is_delivered(entry: Entry) -> bool:
    """Report whether the results are safe elsewhere: every destination has them, and nobody must look."""
    states = [sent.state for sent in entry.deliveries]
    return bool(states) and set(states) == {Sent.DELIVERED} and entry.settled and not entry.needs_look
