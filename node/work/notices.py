"""
A notice from whoever queues an image to the worker: look now. It carries nothing, and may be lost.

It goes through a named pipe in the store. Who writes never waits, and fails where no worker listens. The worker looks
by itself too, so a lost notice costs that pause and nothing else.
"""

import os
import select
import stat
from contextlib import suppress
from pathlib import Path

PIPE = "worker.notices"
_FLAGS = os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_MANY = 1 << 16


def notify(folder: Path) -> None:
    """Tell the worker of the store's *folder* that there is something to do. Where none listens, nothing happens."""
    with suppress(OSError):  # no pipe, no worker, or a full pipe: then it has notices enough
        pipe = _opened(folder, os.O_WRONLY)
        try:
            os.write(pipe, b"\0")
        finally:
            os.close(pipe)


class Notices:
    """
    What the worker waits for.

    Args:
        folder: the store's. Where no pipe can be made there, `wait` waits its whole time.
    """

    def __init__(self, folder: Path) -> None:
        self._pipe: int | None = None
        self._poll = select.poll()
        with suppress(OSError):
            with suppress(FileExistsError):
                os.mkfifo(folder / PIPE, 0o600)
            self._pipe = _opened(folder, os.O_RDWR)  # for writing too: so it never comes to its end
            self._poll.register(self._pipe, select.POLLIN)

    def wait(self, seconds: float) -> None:
        """Wait for a notice, at most so many seconds; several notices are one."""
        if self._poll.poll(seconds * 1000) and self._pipe is not None:
            with suppress(BlockingIOError):
                os.read(self._pipe, _MANY)

    def close(self) -> None:
        """Listen no more."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None


def _opened(folder: Path, flags: int) -> int:
    pipe = os.open(folder / PIPE, flags | _FLAGS)
    if not stat.S_ISFIFO(os.fstat(pipe).st_mode):
        os.close(pipe)
        raise OSError(f"{PIPE} is no pipe; remove it")
    return pipe
