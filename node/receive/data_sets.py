"""
The data set of a C-STORE on its way to the disk: how large it may be, and how much space must stay free meanwhile.

pynetdicom writes it to a file, and aborts the association where that fails. Here such an object is thrown away while
the rest of it comes, and its command is then answered: the sender learns the reason, and its other objects go on.
"""

import contextlib
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.store.fsync import storage
from sgseg_dicom.errors import StorageUnavailable

_LOOK_EVERY_BYTES = 1 << 24
"""After so many bytes of a data set the free space is looked at again."""

_LAST = 2
"""The bit of a message control header for the last fragment (PS3.8 E.2)."""

Receive = Callable[[int, bytes], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectLimits:
    """
    What a data set may cost.

    Attributes:
        most_bytes: of one data set.
        folder: where it is written.
        require_space: raises StorageUnavailable where too little is free.
    """

    most_bytes: int
    folder: Path
    require_space: Callable[[], None]


class DataSets:
    """
    Passes one data set after another of an association to pynetdicom, or throws away those that cannot be kept.

    Args:
        association: of pynetdicom.
        limits: see there.
        receive: passes one fragment of a message on.
    """

    def __init__(self, association: Any, limits: ObjectLimits, receive: Receive) -> None:
        self._association = association
        self._limits = limits
        self._receive = receive
        self._reasons: deque[str] = deque()
        association.reasons_of_refused_objects = self._reasons
        self._instead = b""
        self._refused = ""
        self._size = self._looked_at = 0

    def begin(self, context_id: int, command: bytes, *, instead: bytes) -> None:
        """
        Take the command that comes before a data set.

        Args:
            context_id: of its presentation context.
            command: its last fragment.
            instead: the fragment that is passed on at the end where the data set cannot be kept: without a data set,
                and marked for `why_refused`.
        """
        self._instead, self._refused = instead, ""
        self._size = self._looked_at = 0
        try:
            self._limits.require_space()
            with storage(self._limits.folder):
                self._receive(context_id, command)  # pynetdicom makes the file
        except StorageUnavailable as error:
            self._refuse(str(error))

    def add(self, context_id: int, data: bytes) -> bool:
        """Take a fragment of the data set; False where it has no end, and nothing but an abort is left."""
        self._size += len(data) - 1
        if not self._refused:
            try:
                self._require_room()
                with storage(self._limits.folder):
                    self._receive(context_id, data)
            except StorageUnavailable as error:
                self._refuse(str(error))
        if self._refused and data[0] & _LAST:
            self._reasons.append(self._refused)
            self._receive(context_id, self._instead)
        return self._size <= 2 * self._limits.most_bytes

    def _require_room(self) -> None:
        most = self._limits.most_bytes
        if self._size > most:
            raise StorageUnavailable(
                f"the object has more than {most >> 20} MB; "
                "raise [receive] max_object_megabytes if such images are to be judged"
            )
        if self._size - self._looked_at >= _LOOK_EVERY_BYTES:
            self._looked_at = self._size
            self._limits.require_space()

    def drop(self) -> None:
        """Delete what came of an object that will never be whole, and let pynetdicom forget it."""
        message, self._association.dimse.message = self._association.dimse.message, None
        if (file := message and message._data_set_file) is not None:
            with contextlib.suppress(OSError):
                os.unlink(file.name)
            with contextlib.suppress(OSError):  # what cannot be written fails once more
                file.close()

    def _refuse(self, why: str) -> None:
        self._refused = why
        self.drop()


def why_refused(association: Any, request: Any) -> str:
    """
    Say why the data set of a C-STORE request was thrown away; "" where it was not. Ask once for each request.

    The mark of such a request is (0000,1031), which no sender's command has any more (`node.receive.command_sets`).
    """
    if getattr(request, "MoveOriginatorMessageID", None) is None:
        return ""
    return str(association.reasons_of_refused_objects.popleft())
