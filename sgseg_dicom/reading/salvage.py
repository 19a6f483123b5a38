"""
The header of a file that pydicom cannot parse, without the element that stops it.

Makers write private sequences without delimiters, or elements without an item around them. What stands before and
behind may be sound: enough to say of which image it is that it was not judged. Nothing read this way is ever judged.
"""

import re
import struct
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pydicom import FileDataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from sgseg_dicom.attributes import UNPARSABLE

_META_FROM, _META_LENGTH = 132, 12
"""Bytes before the file meta information, and of its group length (PS3.10 7.1)."""

_LONG_VRS = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
"""Value representations whose length has four bytes (PS3.5 7.1.2)."""

_UNDEFINED = 0xFFFFFFFF
_PIXEL_DATA = 0x7FE00010
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_DEEPEST = 16
_ANCHORS = re.compile(rb"\x08\x00[\x50\x60\x90]\x00|\x10\x00[\x10\x20\x30\x40]\x00|\x20\x00[\x0d\x0e]\x00")
"""Tags of patient and study, at which reading may go on: every image has some of them."""

_FARTHEST = 1 << 20
"""Bytes behind the malformed element in which the next sound one is looked for."""

_MOST_ANCHORS = 64
"""Places that are tried: from each the same long way may lead on, and a file made so must not take hours."""

_UNREADABLE = (InvalidDicomError, EOFError, OSError, *UNPARSABLE)


class _Element(NamedTuple):
    """Where an element's value begins, and its length; of tag (group << 16) + element."""

    tag: int
    start: int
    length: int
    is_sequence: bool


def salvaged(path: Path) -> FileDataset | None:
    """
    Read a file's header without its one malformed element; None where that does not help.

    Only little endian transfer syntaxes that are not deflated.
    """
    try:
        syntax = read_file_meta_info(path).TransferSyntaxUID
        data = path.read_bytes()
        if syntax == ExplicitVRBigEndian or syntax.is_deflated:
            return None
        reader = _Reader(data, implicit=syntax == ImplicitVRLittleEndian)
        (length,) = struct.unpack_from("<L", data, _META_FROM + 8)
        start = _META_FROM + _META_LENGTH + length
        broken_from = reader.sound_until(start)
        goes_on = reader.next_sound(broken_from)
        if goes_on is None:
            return None
        return dcmread(BytesIO(data[:broken_from] + data[goes_on:]), stop_before_pixels=True)
    except _UNREADABLE:
        return None


class _Reader:
    """Walks over the elements of a data set without reading their values."""

    def __init__(self, data: bytes, *, implicit: bool) -> None:
        self._data = data
        self._implicit = implicit

    def sound_until(self, place: int) -> int:
        """Give where the first element of the data set begins that cannot be walked over."""
        tag = 0
        while place < len(self._data):
            try:
                element = self._element(place)
                after = self._after(element)
            except (struct.error, ValueError):
                break
            if not tag < element.tag < _ITEM or element.tag == _PIXEL_DATA:
                break
            tag, place = element.tag, after
        return place

    def next_sound(self, broken_from: int) -> int | None:
        """Give where, behind a malformed element, elements begin that lead in order to Pixel Data or the end."""
        least = self._element(broken_from).tag
        anchors = _ANCHORS.finditer(self._data, broken_from + 8, broken_from + _FARTHEST)
        for found in islice(anchors, _MOST_ANCHORS):
            end = self.sound_until(found.start())
            try:
                in_order = self._element(found.start()).tag > least
                if in_order and (end >= len(self._data) or self._element(end).tag == _PIXEL_DATA):
                    return found.start()
            except struct.error:
                continue
        return None

    def _element(self, place: int) -> _Element:
        group, number, length = struct.unpack_from("<HHL", self._data, place)
        tag, start, vr = (group << 16) + number, place + 8, self._data[place + 4 : place + 6]
        if self._implicit or group == 0xFFFE:
            return _Element(tag, start, length, length == _UNDEFINED)
        if not vr.isalpha() or not vr.isupper():
            raise ValueError("no value representation")
        if vr in _LONG_VRS:
            (length,) = struct.unpack_from("<L", self._data, start)
            return _Element(tag, start + 4, length, length == _UNDEFINED)
        return _Element(tag, start, struct.unpack_from("<H", self._data, place + 6)[0], False)

    def _after(self, element: _Element, depth: int = 0) -> int:
        """Give where the next element begins."""
        if not element.is_sequence:
            end = element.start + element.length
            if end > len(self._data):
                raise ValueError("a value is longer than the file")
            return end
        if depth > _DEEPEST:
            raise ValueError("nested too deep")
        place = element.start
        while (item := self._element(place)).tag == _ITEM:
            place = (
                item.start + item.length
                if item.length != _UNDEFINED
                else self._after_item(item.start, depth + 1)
            )
        if item.tag != _SEQUENCE_END:
            raise ValueError("no item and no end of a sequence")
        return item.start

    def _after_item(self, place: int, depth: int) -> int:
        while (element := self._element(place)).tag != _ITEM_END:
            if element.tag >= _ITEM:
                raise ValueError("a delimiter where none belongs")
            place = self._after(element, depth)
        return element.start
