"""Whether two files have the same content, no matter which software wrote them."""

import hashlib
from pathlib import Path
from typing import BinaryIO

from sgseg_dicom.errors import InvalidDataset

_PREAMBLE = 132  # 128 bytes and "DICM" (PS3.10 7.1)
_LONGEST_META = 1 << 20
_BLOCK_BYTES = 1 << 16
"""The kernel clears each page of a new buffer: one of a megabyte takes longer than its content."""
_GROUP_LENGTH = 12  # (0002,0000) UL: tag, VR, length, value


def content_digest(path: Path) -> str:
    """
    Give the SHA-256 of the encoded data set and its transfer syntax, without the rest of the file meta information.

    Raises:
        InvalidDataset: the preamble, the group length or the transfer syntax is missing.
    """
    with path.open("rb") as file:
        digest = hashlib.sha256(read_transfer_syntax(file))
        block = memoryview(bytearray(_BLOCK_BYTES))
        while length := file.readinto(block):
            digest.update(block[:length])
    return digest.hexdigest()


def read_transfer_syntax(file: BinaryIO) -> bytes:
    """
    Read the file meta information, up to where the data set begins; give the value of (0002,0010) with its padding.

    Raises:
        InvalidDataset: the preamble, the group length or the transfer syntax is missing.
    """
    head = file.read(_PREAMBLE + _GROUP_LENGTH)
    if len(head) < _PREAMBLE + _GROUP_LENGTH or head[128:138] != b"DICM\x02\x00\x00\x00UL":
        raise InvalidDataset("the file has no DICOM file meta information (PS3.10 7.1)")
    length = int.from_bytes(head[-4:], "little")
    if length > _LONGEST_META:
        raise InvalidDataset(f"its file meta information has more than {_LONGEST_META} bytes")
    return _transfer_syntax(file.read(length))


def _transfer_syntax(meta: bytes) -> bytes:
    """Give the value of (0002,0010): the same bytes in another transfer syntax are other content."""
    start = meta.find(b"\x02\x00\x10\x00UI")
    if start < 0:
        raise InvalidDataset("the file meta information names no transfer syntax (PS3.10 7.1)")
    length = int.from_bytes(meta[start + 6 : start + 8], "little")
    return meta[start + 8 : start + 8 + length]
