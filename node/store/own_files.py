"""
Files that the node makes under fixed names: no symbolic link is followed, and nothing is emptied when it is opened.

Somebody who could write into the store once may have left a link there, to a file that the node would then destroy.
"""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC
_MODE = 0o600


def open_own(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> int:
    """
    Open a regular file, and make it where it does not exist; give the descriptor.

    Raises:
        OSError: it is a symbolic link (ELOOP), no regular file, or cannot be opened.
    """
    descriptor = os.open(path, flags | _FLAGS, _MODE)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path.name} is no regular file; remove it")
    return descriptor


@contextmanager
def locked(path: Path, kind: int, *, take: Callable[[int, int], object] = fcntl.flock) -> Iterator[None]:
    """
    Hold the lock file *path* (fcntl.LOCK_SH, LOCK_EX, with or without LOCK_NB). It ends with the process.

    *take* locks a descriptor.

    Raises:
        BlockingIOError: another process holds it, and *kind* has LOCK_NB.
        OSError: see `open_own`.
    """
    descriptor = open_own(path)
    try:
        take(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def write_own(path: Path, content: bytes) -> None:
    """
    Write a file anew, not durable; what had its name, a link too, is removed and not written to.

    Raises:
        OSError: the disk is full or read-only.
    """
    with suppress(FileNotFoundError):
        path.unlink()
    with open(open_own(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
        file.write(content)


def make_own(path: Path) -> None:
    """
    Make an empty file where there is none, and let nobody else read it where there is one.

    It is not opened where it exists: to close a database's file would end the locks of this process on it.

    Raises:
        OSError: it is a symbolic link or no regular file, or the disk is full or read-only.
    """
    with suppress(FileExistsError):
        os.close(open_own(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    if not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(f"{path.name} is a link or no regular file; remove it")
    path.chmod(_MODE)
