"""A file system of some megabytes that somebody else fills. Needs root."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PIECE = 1 << 18


class SmallDisk:
    """The file system at *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "of-somebody-else"

    @contextmanager
    def filled(self, *, leave_bytes: int = 0) -> Iterator[None]:
        """Fill it, and fill what becomes free again, until the block ends; then make room."""
        stop = threading.Event()
        thread = threading.Thread(target=self._fill, args=(stop, leave_bytes))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self._filler.unlink()

    def _fill(self, stop: threading.Event, leave_bytes: int) -> None:
        with self._filler.open("ab", buffering=0) as file:
            while not stop.is_set():
                status = os.statvfs(self.folder)
                free = status.f_bavail * status.f_frsize
                if free <= leave_bytes:
                    stop.wait(0.01)
                    continue
                with suppress(OSError):
                    file.write(bytes(min(_PIECE, free - leave_bytes)))


@contextmanager
def small_disk(folder: Path, *, megabytes: int) -> Iterator[SmallDisk]:
    """
    Mount one for the time of a block.

    Raises:
        subprocess.CalledProcessError: that is not allowed.
    """
    folder.mkdir()
    options = f"size={megabytes}m,mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
