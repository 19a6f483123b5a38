"""Locks between processes, on a file, with an end to the waiting."""

import fcntl
import math
import time
from typing import IO

from node.time_limit import seconds_left
from sgseg_dicom.errors import StorageUnavailable

_LOOK_SECONDS = 0.01


def lock(file: IO[str], kind: int) -> None:
    """
    Take the lock of *kind* (fcntl.LOCK_SH or LOCK_EX) on an open file, within the `node.time_limit` of the caller.

    Raises:
        StorageUnavailable: others held it until the time was over.
    """
    if math.isinf(seconds_left()):
        fcntl.flock(file, kind)
        return
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if not seconds_left():
                raise StorageUnavailable(
                    f"another process holds the lock of {file.name} for too long; see which one (lsof {file.name})"
                ) from error
            time.sleep(_LOOK_SECONDS)
