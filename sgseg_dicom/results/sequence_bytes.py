"""
Sequences -> their bytes in explicit VR little endian and UTF-8, many times faster than pydicom writes them.

A report has a thousand short texts in three hundred nested items, and pydicom takes most of its time for what never
changes between them. Written here are the items and plain texts alone; every other element is written by pydicom.
`sgseg_dicom.results.write` reads the result with pydicom, and compares every text.
"""

import struct
from collections.abc import Iterable
from typing import Any

from pydicom import Dataset
from pydicom.charset import convert_encodings
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.tag import BaseTag
from pydicom.uid import UID
from pydicom.valuerep import VR

CHARACTER_SET = "ISO_IR 192"
"""Specific Character Set of the data sets whose sequences are written here: UTF-8."""

_ITEM = b"\xfe\xff\x00\xe0"
_SPECIFIC_CHARACTER_SET = 0x00080005
_LONGEST = 0xFFFE
"""Bytes that a length of two bytes can state (PS3.5 7.1.2)."""

_UTF_8 = frozenset({VR.LO, VR.LT, VR.SH, VR.ST})
_ASCII = frozenset({VR.CS, VR.UI})
"""Their values have no letters outside of ASCII (PS3.5 6.2)."""


def sequence_of(element: DataElement) -> RawDataElement:
    """
    Give a sequence as an element that pydicom writes as it is.

    Raises:
        ValueError: an item has a character set of its own.
    """
    content = _items(element.value)
    return RawDataElement(element.tag, VR.SQ, len(content), content, 0, False, True)


def _items(items: Iterable[Dataset]) -> bytes:
    written = []
    for item in items:
        content = b"".join([_element(item.get_item(tag)) for tag in sorted(item.keys())])
        written += [_ITEM, struct.pack("<L", len(content)), content]
    return b"".join(written)


def _element(element: DataElement | RawDataElement | None) -> bytes:
    if element is None or element.tag == _SPECIFIC_CHARACTER_SET:
        raise ValueError("an item with a character set of its own")
    kind: str | None = element.VR
    value: Any = element.value
    if isinstance(element, DataElement):
        if kind == VR.SQ and not element.is_undefined_length:
            content = _items(value)
            return _tag(element.tag) + b"SQ\0\0" + struct.pack("<L", len(content)) + content
        if type(value) in (str, UID):
            if kind in _UTF_8 and len(content := _padded(value, b" ")) <= _LONGEST:
                return _tag(element.tag) + str(kind).encode() + struct.pack("<H", len(content)) + content
            if kind in _ASCII and value.isascii() and len(value) < _LONGEST:
                content = _padded(value, b"\0" if kind == VR.UI else b" ")
                return _tag(element.tag) + str(kind).encode() + struct.pack("<H", len(content)) + content
            if kind == VR.UT:
                content = _padded(value, b" ")
                return _tag(element.tag) + b"UT\0\0" + struct.pack("<L", len(content)) + content
    return _by_pydicom(element)


def _tag(tag: BaseTag) -> bytes:
    return struct.pack("<HH", tag.group, tag.element)


def _padded(value: str, padding: bytes) -> bytes:
    content = value.encode()
    return content + padding if len(content) % 2 else content


def _by_pydicom(element: DataElement | RawDataElement) -> bytes:
    file = DicomBytesIO()
    file.is_little_endian, file.is_implicit_VR = True, False
    write_data_element(file, element, convert_encodings(CHARACTER_SET))
    return file.getvalue()
