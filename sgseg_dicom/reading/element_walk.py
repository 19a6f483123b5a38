"""
Walk over the elements of a data set in little endian without reading their values.

For files whose structure is broken, where pydicom stops: a walk says where elements are, and where none can be.
"""

import struct
from typing import NamedTuple

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD

_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
"""Value representations with a length of four bytes (PS3.5 Table 7.1-1)."""

_SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_DEEPEST = 16
"""Sequences within sequences that are walked through."""

_MOST_WALKED = 100_000
"""Elements and items that are walked over in all; a radiograph has a few hundred."""


class Malformed(Exception):
    """No element can be here."""


class NotSure(Exception):
    """The elements are nested too deep, or are too many, to be walked through."""


class Element(NamedTuple):
    """An element or item of tag (group << 16) + element: where its value begins, and its length in bytes."""

    tag: int
    start: int
    length: int


class ElementWalk:
    """
    Walks over elements; all walks together go only so far, since from many places the same long way may lead on.

    Args:
        data: the file.
        implicit: whether its elements have no value representation.
    """

    def __init__(self, data: bytes, *, implicit: bool = False) -> None:
        self._data = data
        self._implicit = implicit
        self._left = _MOST_WALKED

    def element(self, place: int) -> Element:
        """
        Read what begins at *place*.

        Raises:
            Malformed: it is no element.
            NotSure: too many were read.
        """
        if not self._left:
            raise NotSure
        self._left -= 1
        try:
            group, number, length = struct.unpack_from("<HHL", self._data, place)
            tag, vr = (group << 16) + number, self._data[place + 4 : place + 6]
            if self._implicit or group == 0xFFFE:
                return Element(tag, place + 8, length)
            if vr in _SHORT:
                return Element(tag, place + 8, length >> 16)
            if vr in _LONG and not length >> 16:
                (length,) = struct.unpack_from("<L", self._data, place + 8)
                return Element(tag, place + 12, length)
        except struct.error as error:
            raise Malformed from error
        raise Malformed

    def after(self, element: Element, depth: int = 0) -> int:
        """
        Give where the next element begins: behind the value, or the end of a sequence of undefined length.

        Raises:
            Malformed: the value does not end within the file.
            NotSure: sequences are nested too deep, or too many elements were read.
        """
        if element.length != UNDEFINED:
            end = element.start + element.length
            if end > len(self._data):
                raise Malformed
            return end
        if depth > _DEEPEST:
            raise NotSure
        place = element.start
        while (item := self.element(place)).tag == ITEM:
            place = self._after_item(item.start, depth) if item.length == UNDEFINED else self.after(item)
        if item.tag != SEQUENCE_END:
            raise Malformed
        return item.start

    def _after_item(self, place: int, depth: int) -> int:
        while (element := self.element(place)).tag != ITEM_END:
            if element.tag >= ITEM:
                raise Malformed
            place = self.after(element, depth + 1)
        return element.start
