"""Locks between processes, on a file, with an end to the waiting."""

import fcntl
import math
import os
import time

from node.time_limit import seconds_left
from sgseg_dicom.errors import StorageUnavailable

_LOOK_SECONDS = 0.01


def lock(descriptor: int, kind: int) -> None:
    """
    Lock an open file (*descriptor*) by *kind* (fcntl.LOCK_SH or LOCK_EX), within the caller's `node.time_limit`.

    Raises:
        StorageUnavailable: others held it until the time was over.
    """
    if math.isinf(seconds_left()):
        fcntl.flock(descriptor, kind)
        return
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if not seconds_left():
                name = os.readlink(f"/proc/self/fd/{descriptor}")
                raise StorageUnavailable(
                    f"another process holds a lock of the store for too long; see which one (lsof {name})"
                ) from error
            time.sleep(_LOOK_SECONDS)
