"""
Find the Pixel Data of a stored file whose structure is broken in one of two known ways, both harmless.

- Nothing ends the fragments: the sequence delimitation item (PS3.5 A.4) at the end of the file is missing.
- The Icon Image Sequence says that it is shorter or longer than it is. Nobody needs the icon, so it is left out. What
  follows it is found by its elements, which must lead one by one to Pixel Data that end with the file.
"""

import struct
from pathlib import Path

_PREAMBLE = 128
_META_GROUP_LENGTH = b"\x02\x00\x00\x00UL\x04\x00"
_ITEM, _DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_END_OF_SEQUENCE = _DELIMITER + bytes(4)
_PIXEL_DATA = (0x7FE0, 0x0010)
_ENCAPSULATED = struct.pack("<HH2sHL", *_PIXEL_DATA, b"OB", 0, 0xFFFFFFFF)
_AFTER_PIXEL_DATA = (
    b"\xfc\xff\xfc\xff",
    b"\xfa\xff\xfa\xff",
)  # Data Set Trailing Padding, Digital Signatures
_PEEKED = 64
_ICON = struct.pack("<HH2s", 0x0088, 0x0200, b"SQ")
_UNDEFINED = 0xFFFFFFFF
_LONGEST_ICON = 1 << 18
"""Bytes: one of 128 x 128 pixels in colour has 48 kB."""

_DEEPEST = 16
"""Sequences within sequences that are walked through."""

_MOST_WALKED = 100_000
"""Elements and items that are walked over in all; a radiograph has a few hundred."""

_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
"""Value representations with a length of four bytes (PS3.5 Table 7.1-1)."""

_SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())


class _NotSure(Exception):
    """The elements are nested too deep, or are too many, to be walked through."""


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
    if length == _UNDEFINED:
        return None
    walk = _Walk(data)
    try:
        if walk.leads_to_the_end(icon + 12 + length):
            return None
        for end in range(icon + 12, min(len(data), icon + _LONGEST_ICON), 2):
            if walk.leads_to_the_end(end):
                return data[:icon] + data[end:]
    except _NotSure:
        return None
    return None


def is_padding(rest: bytes) -> bool:
    """Whether *rest*, the bytes behind Pixel Data, may stand there: an element or fill."""
    return len(set(rest)) < 2 or rest.startswith(_AFTER_PIXEL_DATA)


class _Walk:
    """
    Walks over the elements of a data set without reading their values.

    Many places are tried, and from each the same long way may lead on. So all walks together may go only so far;
    then each raises _NotSure.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = _MOST_WALKED

    def leads_to_the_end(self, place: int) -> bool:
        """Whether at *place* elements begin that follow the icon and lead to Pixel Data that end with the file."""
        last = (0x0088, 0x0200)
        while (element := self._element(place)) is not None and element[0] > last:
            last, value, length = element
            if last == _PIXEL_DATA:
                return self._is_at_the_end(value, length)
            place = value + length if length != _UNDEFINED else self._after_sequence(value)
        return False

    def _is_at_the_end(self, value: int, length: int) -> bool:
        end = value + length
        if length == _UNDEFINED:
            end = self._after_items(value)
            if self._data[end : end + 4] != _DELIMITER:
                return False
            end += 8
        return is_padding(self._data[end : end + _PEEKED])

    def _element(self, place: int) -> tuple[tuple[int, int], int, int] | None:
        """Read the element at *place*: its tag, where its value is, and its length; None where none can be."""
        if place + 8 > len(self._data):
            return None
        group, number, vr, length = struct.unpack_from("<HH2sH", self._data, place)
        if vr in _SHORT:
            self._count()
            return (group, number), place + 8, length
        if vr not in _LONG or length or place + 12 > len(self._data):
            return None
        self._count()
        return (group, number), place + 12, int.from_bytes(self._data[place + 8 : place + 12], "little")

    def _after_sequence(self, place: int, depth: int = 0) -> int:
        """Give where a sequence of undefined length at *place* ends; the end of the file if nowhere."""
        if depth > _DEEPEST:
            raise _NotSure
        while (length := self._item_length(place)) is not None:
            place += 8
            if length != _UNDEFINED:
                place += length
                continue
            while (element := self._element(place)) is not None:
                _, value, length = element
                place = value + length if length != _UNDEFINED else self._after_sequence(value, depth + 1)
            place += 8  # its delimitation item
        return place + 8 if self._data[place : place + 4] == _DELIMITER else len(self._data)

    def _after_items(self, place: int) -> int:
        while (length := self._item_length(place)) is not None:
            place += 8 + length
        return place

    def _item_length(self, place: int) -> int | None:
        if self._data[place : place + 4] != _ITEM or place + 8 > len(self._data):
            return None
        self._count()
        return int.from_bytes(self._data[place + 4 : place + 8], "little")

    def _count(self) -> None:
        if not self._left:
            raise _NotSure
        self._left -= 1
