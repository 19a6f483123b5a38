"""
The header of a file that pydicom cannot parse, without the element that stops it.

Makers write private sequences without delimiters, or elements without an item around them. What stands before and
behind may be sound: enough to say of which image it is that it was not judged. Nothing read this way is ever judged.
"""

import re
import struct
from io import BytesIO
from pathlib import Path

from pydicom import FileDataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from sgseg_dicom.attributes import UNPARSABLE
from sgseg_dicom.reading.element_walk import ITEM, ElementWalk, Malformed, NotSure

_META_FROM, _META_LENGTH = 132, 12
"""Bytes before the file meta information, and of its group length (PS3.10 7.1)."""

_PIXEL_DATA = 0x7FE00010
_ANCHORS = re.compile(rb"\x08\x00[\x50\x60\x90]\x00|\x10\x00[\x10\x20\x30\x40]\x00|\x20\x00[\x0d\x0e]\x00")
"""Tags of patient and study, at which reading may go on: every image has some of them."""

_FARTHEST = 1 << 20
"""Bytes behind the malformed element in which the next sound one is looked for."""

_UNREADABLE = (InvalidDicomError, EOFError, OSError, *UNPARSABLE)


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
        walk = ElementWalk(data, implicit=syntax == ImplicitVRLittleEndian)
        (length,) = struct.unpack_from("<L", data, _META_FROM + 8)
        start = _META_FROM + _META_LENGTH + length
        broken_from = _sound_until(data, walk, start)
        goes_on = _next_sound(data, walk, broken_from)
        if goes_on is None:
            return None
        return dcmread(BytesIO(data[:broken_from] + data[goes_on:]), stop_before_pixels=True)
    except (*_UNREADABLE, NotSure):
        return None


def _sound_until(data: bytes, walk: ElementWalk, place: int) -> int:
    """Give where the first element of the data set begins that cannot be walked over, or Pixel Data, or the end."""
    tag = 0
    while place < len(data):
        try:
            element = walk.element(place)
            after = walk.after(element)
        except Malformed:
            break
        if not tag < element.tag < ITEM or element.tag == _PIXEL_DATA:
            break
        tag, place = element.tag, after
    return place


def _next_sound(data: bytes, walk: ElementWalk, broken_from: int) -> int | None:
    """Give where, behind a malformed element, elements begin that lead in order to Pixel Data or the end."""
    group, number = struct.unpack_from("<HH", data, broken_from)
    for found in _ANCHORS.finditer(data, broken_from + 8, broken_from + _FARTHEST):
        end = _sound_until(data, walk, found.start())
        try:
            in_order = walk.element(found.start()).tag > (group << 16) + number
            if in_order and (end >= len(data) or walk.element(end).tag == _PIXEL_DATA):
                return found.start()
        except Malformed:
            continue
    return None
