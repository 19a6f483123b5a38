"""The head of a DICOM file: preamble, prefix and File Meta Information (PS3.10 7.1), before a data set as it came."""

import struct

from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION

_PREAMBLE = bytes(128) + b"DICM"
_GROUP = 0x0002
_VERSION = struct.pack("<HH2sHL", _GROUP, 0x0001, b"OB", 0, 2) + b"\x00\x01"


def file_head(sop_class: str, sop_instance: str, transfer_syntax: str) -> bytes:
    """Give the bytes that pynetdicom would write before the data set."""
    elements = b"".join(
        (
            _VERSION,
            _element(0x0002, b"UI", sop_class, b"\0"),
            _element(0x0003, b"UI", sop_instance, b"\0"),
            _element(0x0010, b"UI", transfer_syntax, b"\0"),
            _element(0x0012, b"UI", PYNETDICOM_IMPLEMENTATION_UID, b"\0"),
            _element(0x0013, b"SH", PYNETDICOM_IMPLEMENTATION_VERSION, b" "),
        )
    )
    length = struct.pack("<HH2sHL", _GROUP, 0x0000, b"UL", 4, len(elements))
    return _PREAMBLE + length + elements


def _element(number: int, representation: bytes, text: str, pad: bytes) -> bytes:
    value = text.encode("ascii")
    value += pad * (len(value) % 2)
    return struct.pack("<HH2sH", _GROUP, number, representation, len(value)) + value
