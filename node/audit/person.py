"""What a person does by a command, in the trail: with the name of the account, written before it is done."""

import errno
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from node.audit.chain import Event
from node.audit.trail import Trail
from sgseg_dicom.config import Config
from sgseg_dicom.errors import StorageUnavailable


@contextmanager
def person_does(config: Config, event: str, *, at: float, **facts: Any) -> Iterator[None]:
    """
    Note *event* before the caller's action; where the disk is full, after it: the action may be what makes room.

    Raises:
        StorageUnavailable: it cannot be written. Then nothing was done; or the disk was full, and still is after the
            action.
    """
    noted: Event = {"event": event, "at": at, "user": account(), **facts}
    trail, late = Trail(config.store.folder), False
    if not config.audit.enabled:
        yield
        return
    try:
        trail.append([noted])
    except StorageUnavailable as error:
        if not _is_full(error):
            raise
        late = True
    yield
    if late:
        trail.append([noted])


def _is_full(error: StorageUnavailable) -> bool:
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.ENOSPC, errno.EDQUOT)


def account() -> str:
    """Give the name of the account that asks; behind sudo, that of the person."""
    if person := os.environ.get("SUDO_USER"):
        return person
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's number without a name
        return str(os.getuid())
