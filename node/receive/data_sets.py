"""
The data set of a C-STORE on its way to the disk: how large it may be, and how much space must stay free meanwhile.

An object that cannot be kept is thrown away while the rest of it comes, and its command is then answered: the sender
learns the reason, and its other objects go on.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pynetdicom.dimse_primitives import C_STORE

from node.receive.file_head import file_head
from node.store.fsync import storage
from sgseg_dicom.errors import StorageUnavailable

_LOOK_EVERY_BYTES = 1 << 24
"""After so many bytes of a data set the free space is looked at again."""

_WHY_REFUSED = "why_refused"


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
    Writes one data set after another of an association to files, or throws away those that cannot be kept.

    Args:
        limits: see there.
    """

    def __init__(self, limits: ObjectLimits) -> None:
        self._limits = limits
        self._file: Any = None
        self._refused = ""
        self._size = self._looked_at = 0

    @property
    def is_endless(self) -> bool:
        """Whether so much was thrown away of the data set that nothing but an abort is left."""
        return self._size > 2 * self._limits.most_bytes

    def begin(self, request: C_STORE, transfer_syntax: str) -> None:
        """Make the file for the data set that follows a request; one that was not whole is deleted."""
        self.drop()
        self._refused = ""
        self._size = self._looked_at = 0
        head = file_head(
            str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID), transfer_syntax
        )
        try:
            self._limits.require_space()
            with storage(self._limits.folder):
                self._file = tempfile.NamedTemporaryFile(  # noqa: SIM115
                    "wb", buffering=0, suffix=".dcm", dir=self._limits.folder, delete=False
                )
                self._write(head)
        except StorageUnavailable as error:
            self._refuse(str(error))

    def add(self, data: memoryview) -> None:
        """Take a piece of the data set."""
        self._size += len(data)
        if self._refused:
            return
        try:
            self._require_room()
            with storage(self._limits.folder):
                self._write(data)
        except StorageUnavailable as error:
            self._refuse(str(error))

    def end(self, request: C_STORE) -> None:
        """Give *request* its file, or why there is none."""
        if self._refused:
            setattr(request, _WHY_REFUSED, self._refused)
            return
        request._dataset_file = self._file  # type: ignore[attr-defined]  # pynetdicom closes and deletes it
        request._dataset_path = Path(self._file.name)  # type: ignore[attr-defined]
        self._file = None

    def drop(self) -> None:
        """Delete what came of an object that will never be whole."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                os.unlink(file.name)
            file.close()

    def _write(self, data: bytes | memoryview) -> None:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]

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

    def _refuse(self, why: str) -> None:
        self._refused = why
        self.drop()


def why_refused(request: Any) -> str:
    """Say why the data set of a C-STORE request was thrown away; "" where it was not."""
    return str(getattr(request, _WHY_REFUSED, ""))
