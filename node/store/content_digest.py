"""The content of a received file, whoever wrote it down."""

import hashlib
from pathlib import Path

from sgseg_dicom.errors import InvalidDataset

_PREAMBLE = 132  # 128 bytes and "DICM" (PS3.10 7.1)
_GROUP_LENGTH = 12  # (0002,0000) UL: tag, VR, length, value


def content_digest(path: Path) -> str:
    """
    Give the sha256 of the data set as encoded; who wrote the file meta information does not count.

    Raises:
        InvalidDataset: no preamble, no group length.
    """
    with path.open("rb") as file:
        head = file.read(_PREAMBLE + _GROUP_LENGTH)
        if len(head) < _PREAMBLE + _GROUP_LENGTH or head[128:138] != b"DICM\x02\x00\x00\x00UL":
            raise InvalidDataset("the file has no DICOM file meta information (PS3.10 7.1)")
        meta = file.read(int.from_bytes(head[-4:], "little"))
        digest = hashlib.sha256(_transfer_syntax(meta))
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _transfer_syntax(meta: bytes) -> bytes:
    """Give the value of (0002,0010): the same bytes in another transfer syntax are other content."""
    start = meta.find(b"\x02\x00\x10\x00UI")
    if start < 0:
        raise InvalidDataset("the file meta information names no transfer syntax (PS3.10 7.1)")
    length = int.from_bytes(meta[start + 6 : start + 8], "little")
    return meta[start + 8 : start + 8 + length]
