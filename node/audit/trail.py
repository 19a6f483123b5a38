"""
The files of the audit trail. Receiver, worker and commands write; nothing is ever changed.

    <store>/audit/2026-11-30.jsonl    the events of a day (UTC), one JSON line each (`node.audit.chain`)
    <store>/audit/lock                one process writes at a time
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import structlog

from node.audit.chain import FORGOTTEN, MENDED, Event, Head, digest, parsed
from node.store.file_lock import lock as take
from node.store.fsync import storage, sync
from node.store.own_files import locked, open_own
from sgseg_dicom.errors import StorageUnavailable

log = structlog.get_logger(__name__)

FOLDER = "audit"
_ENDING = ".jsonl"
_TAIL = 1 << 16
"""Longer than any line."""


class Trail:
    """
    Appends events; safe to use from many processes.

    Args:
        store: the store's folder.
    """

    def __init__(self, store: Path) -> None:
        self.folder = store / FOLDER

    def files(self) -> list[Path]:
        """Give the files, the oldest first. What has another name, such as a person's copy, is not the trail's."""
        return sorted(path for path in self.folder.glob(f"????-??-??{_ENDING}") if _is_day(path.stem))

    def append(self, events: Sequence[Event]) -> None:
        """
        Write *events*, all together; on disk when this returns.

        A line that a crash cut off stays, as what it is; the event after it says so.

        Raises:
            StorageUnavailable: disk full or read-only; others write for longer than the caller's `node.time_limit`.
        """
        with storage(self.folder):
            self.folder.mkdir(mode=0o700, exist_ok=True)
            with locked(self.folder / "lock", fcntl.LOCK_EX, take=take):
                self._append(events)

    def forget(self, keep_days: int, *, now: datetime) -> int:
        """
        Delete the files that ended more than *keep_days* ago, and count them. An event says which.

        Raises:
            StorageUnavailable: disk full or read-only.
        """
        limit = (now.astimezone(UTC) - timedelta(days=keep_days)).date()
        with storage(self.folder):
            old = [path for path in self.files()[:-1] if date.fromisoformat(path.stem) < limit]
            if not old:
                return 0
            said = {"at": now.timestamp(), "event": FORGOTTEN}
            self.append([{**said, "file": path.name, "last": _end_of(path)[1].hash} for path in old])
            for path in old:
                path.unlink(missing_ok=True)
            sync(self.folder)
        log.info("audit_forgotten", files=len(old))
        return len(old)

    def _append(self, events: Sequence[Event]) -> None:
        torn, head = self._end()
        file = self._file(max(float(event["at"]) for event in events))
        new = not file.exists()
        lines = bytearray()
        if torn:
            self._write(self.files()[-1], b"\n")
            log.warning(
                "audit_mended", bytes=len(torn), detail="a crash cut off the last line of the audit trail"
            )
            if head.is_followed_by(torn):  # but for its end it is whole
                head = head.after(torn)
            else:
                mended = {"at": events[0]["at"], "event": MENDED, "bytes": len(torn), "torn": digest(torn)}
                events = [mended, *events]
        for event in events:
            line = head.line(event)
            lines += line
            head = head.after(line)
        self._write(file, bytes(lines))
        if new:
            sync(self.folder)

    def _end(self) -> tuple[bytes, Head]:
        """Give what a crash left of the last line, and the last whole line."""
        torn = b""
        for path in reversed(self.files()):
            left, head = _end_of(path)
            torn = torn or left
            if head.number:
                return torn, head
        return torn, Head()

    def _file(self, at: float) -> Path:
        """Give the file of the day, or a later one where there is one: a clock was set back."""
        today = self.folder / f"{datetime.fromtimestamp(at, UTC).date().isoformat()}{_ENDING}"
        return max([today, *self.files()[-1:]])

    def _write(self, file: Path, lines: bytes) -> None:
        descriptor = open_own(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        size = os.fstat(descriptor).st_size
        try:
            while lines:
                lines = lines[os.write(descriptor, lines) :]
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)  # a full disk: nobody was told that these lines are written
            raise
        finally:
            os.close(descriptor)


def _is_day(name: str) -> bool:
    try:
        return date.fromisoformat(name).isoformat() == name
    except ValueError:
        return False


def _end_of(path: Path) -> tuple[bytes, Head]:
    """Give the rest behind the last line's end, and the last line that is one."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        *lines, torn = file.read().split(b"\n")
    for line in reversed(lines):
        if found := parsed(line):
            return torn, Head(int(found["number"]), digest(line))
    return torn, Head()


def require_trail(store: Path) -> Trail:
    """
    Give the trail of a store in which a node has written one.

    Raises:
        StorageUnavailable: there is none.
    """
    trail = Trail(store)
    if not trail.files():
        raise StorageUnavailable(
            f"there is no audit trail in {trail.folder}: name the node's own settings with --config, or see [audit]"
        )
    return trail


def lines_of(path: Path) -> Iterator[bytes]:
    """Give the lines of a file, the last one with or without its end."""
    with path.open("rb") as file:
        yield from file
