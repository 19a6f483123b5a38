"""
Find the Pixel Data of a stored file whose structure is broken in one of two known ways, both harmless.

- Nothing ends the fragments: the sequence delimitation item (PS3.5 A.4) at the end of the file is missing.
- The Icon Image Sequence says that it is shorter or longer than it is. Nobody needs the icon, so it is left out. What
  follows it is found by its elements, which must lead one by one to Pixel Data that end with the file.
"""

import struct
from pathlib import Path

from sgseg_dicom.reading.element_walk import UNDEFINED, ElementWalk, Malformed, NotSure

_PREAMBLE = 128
_META_GROUP_LENGTH = b"\x02\x00\x00\x00UL\x04\x00"
_END_OF_SEQUENCE = b"\xfe\xff\xdd\xe0" + bytes(4)
_ICON_IMAGE_SEQUENCE, _PIXEL_DATA = 0x00880200, 0x7FE00010
_ENCAPSULATED = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, UNDEFINED)
_AFTER_PIXEL_DATA = (
    b"\xfc\xff\xfc\xff",
    b"\xfa\xff\xfa\xff",
)  # Data Set Trailing Padding, Digital Signatures
_PEEKED = 64
_ICON = struct.pack("<HH2s", 0x0088, 0x0200, b"SQ")
_LONGEST_ICON = 1 << 18
"""Bytes: one of 128 x 128 pixels in colour has 48 kB."""


def mended(path: Path) -> bytes | None:
    """
    Read *path*, of a data set in explicit VR little endian, and mend what can be mended for sure.

    Returns:
        the file as it should be; None where nothing known is wrong with it, or what it should be is not sure.

    Raises:
        OSError: the file cannot be read.
    """
    data = path.read_bytes()
    start = _data_set_start(data)
    if start is None:
        return None
    if (without_icon := _without_icon(data, start)) is not None:
        return without_icon
    encapsulated = data.rfind(_ENCAPSULATED, start) >= 0
    return data + _END_OF_SEQUENCE if encapsulated and not data.endswith(_END_OF_SEQUENCE) else None


def _data_set_start(data: bytes) -> int | None:
    meta = _PREAMBLE + 4
    if data[_PREAMBLE:meta] != b"DICM" or not data.startswith(_META_GROUP_LENGTH, meta):
        return None
    return meta + 12 + int.from_bytes(data[meta + 8 : meta + 12], "little")


def _without_icon(data: bytes, start: int) -> bytes | None:
    """Leave out an icon whose end is not where its length says."""
    icon = data.find(_ICON, start)
    if icon < 0:
        return None
    length = int.from_bytes(data[icon + 8 : icon + 12], "little")
    if length == UNDEFINED:
        return None
    walk = ElementWalk(data)
    try:
        if _leads_to_the_end(data, walk, icon + 12 + length):
            return None
        for end in range(icon + 12, min(len(data), icon + _LONGEST_ICON), 2):
            if _leads_to_the_end(data, walk, end):
                return data[:icon] + data[end:]
    except NotSure:
        return None
    return None


def is_padding(rest: bytes) -> bool:
    """Whether *rest*, the bytes behind Pixel Data, may stand there: an element or fill."""
    return len(set(rest)) < 2 or rest.startswith(_AFTER_PIXEL_DATA)


def _leads_to_the_end(data: bytes, walk: ElementWalk, place: int) -> bool:
    """Whether at *place* elements begin that follow the icon and lead to Pixel Data that end with the file."""
    last = _ICON_IMAGE_SEQUENCE
    try:
        while (element := walk.element(place)).tag > last:
            last, place = element.tag, walk.after(element)
            if last == _PIXEL_DATA:
                return is_padding(data[place : place + _PEEKED])
    except Malformed:
        return False
    return False
