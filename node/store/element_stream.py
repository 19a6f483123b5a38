"""Where the elements of a data set lie in a file, found without reading their values."""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.valuerep import EXPLICIT_VR_LENGTH_16, EXPLICIT_VR_LENGTH_32

_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_OF_FRAGMENTS = frozenset({"OB", "OW", "OB or OW"})
"""Value representations whose undefined length means fragments, and not items (PS3.5 A.4)."""

_DEEPEST = 16
_MOST_ELEMENTS = 20_000
"""Elements and items that are read of one file; a radiograph has some hundreds."""

_PIECE = 1 << 20


class Incomparable(Exception):
    """The file is malformed, or has more in it than is compared."""


class Span(NamedTuple):
    """
    An element of tag (group << 16) + number.

    Attributes:
        tag: first, so that elements sort by it.
        start: where its value begins in the file.
        length: of the value in bytes, without delimiters; of a sequence as it stands there.
        vr: its value representation; "" where neither the file nor the dictionary has one.
        implicit: whether it was written without.
        items_implicit: whether the elements in its items are (PS3.5 6.2.2 note 4).
        is_encapsulated: it has fragments.
    """

    tag: int
    start: int
    length: int
    vr: str
    implicit: bool
    items_implicit: bool = False
    is_encapsulated: bool = False


class ElementStream:
    """
    Walks over a data set in a file.

    Args:
        file: read in small pieces, from any place.
        implicit: without value representations (PS3.5 A.1).
        little_endian: the order of bytes.
    """

    def __init__(self, file: BinaryIO, *, implicit: bool, little_endian: bool) -> None:
        place = file.tell()
        self.end = file.seek(0, 2)
        file.seek(place)
        self.little_endian = little_endian
        self._file, self._implicit = file, implicit
        self._order = "<" if little_endian else ">"
        self._left = _MOST_ELEMENTS

    def read(self, start: int, length: int) -> bytes:
        """
        Read a value.

        Raises:
            Incomparable: the file ends before.
        """
        self._file.seek(start)
        value = self._file.read(length)
        if len(value) < length:
            raise Incomparable("the file ends in a value")
        return value

    def pieces(self, start: int, length: int) -> Iterator[bytes]:
        """Read a value of any length, piece by piece."""
        for place in range(start, start + length, _PIECE):
            yield self.read(place, min(_PIECE, start + length - place))

    def elements(self, start: int, end: int, *, implicit: bool | None = None) -> list[Span]:
        """
        List the elements between two places.

        Raises:
            Incomparable: malformed, or too many.
        """
        found, place = [], start
        while place < end:
            span, place = self._element(place, self._implicit if implicit is None else implicit, depth=0)
            if span.tag in (_ITEM, _ITEM_END, _SEQUENCE_END):
                raise Incomparable("a delimiter where an element should be")
            found.append(span)
        if place != end:
            raise Incomparable("a value goes on behind what it stands in")
        return found

    def items(self, sequence: Span) -> Iterator[tuple[int, int]]:
        """Give where the elements of each item begin and end."""
        place, end = sequence.start, sequence.start + sequence.length
        while place < end:
            tag, length = self._delimiter(place)
            if tag != _ITEM:
                raise Incomparable("a sequence has something else than items")
            start = place + 8
            if length != _UNDEFINED:
                yield start, start + length
                place = start + length
            else:
                behind = self._behind_item(start, sequence.items_implicit, depth=0)
                yield start, behind - 8
                place = behind

    def _element(self, place: int, implicit: bool, *, depth: int) -> tuple[Span, int]:
        """Give the element at a place, and where the next one begins."""
        tag, vr, start, length = self._head(place, implicit)
        if length != _UNDEFINED:
            if start + length > self.end:
                raise Incomparable("the file ends in a value")
            is_unknown = not implicit and vr == "UN"
            if vr in ("", "UN") and dictionary_has_tag(tag):
                vr = dictionary_VR(tag)
            return Span(tag, start, length, vr, implicit, implicit or is_unknown), start + length
        if vr in _OF_FRAGMENTS:
            stop = self._sequence_end(start, implicit, depth=depth, fragments=True)
            return Span(tag, start, stop - start, vr, implicit, is_encapsulated=True), stop + 8
        items_implicit = implicit or vr == "UN"
        stop = self._sequence_end(start, items_implicit, depth=depth)
        return Span(tag, start, stop - start, "SQ", implicit, items_implicit), stop + 8

    def _head(self, place: int, implicit: bool) -> tuple[int, str, int, int]:
        """Read tag, value representation, start of the value and length (PS3.5 7.1)."""
        self._spend()
        head = self.read(place, 8)
        group, number, length = struct.unpack(f"{self._order}HHL", head)
        tag = (group << 16) + number
        if group == 0xFFFE:
            return tag, "", place + 8, length
        if implicit:
            return tag, dictionary_VR(tag) if dictionary_has_tag(tag) else "", place + 8, length
        vr = head[4:6].decode("latin-1")
        if vr in EXPLICIT_VR_LENGTH_32:
            return tag, vr, place + 12, struct.unpack(f"{self._order}L", self.read(place + 8, 4))[0]
        if vr in EXPLICIT_VR_LENGTH_16:
            return tag, vr, place + 8, struct.unpack(f"{self._order}H", head[6:])[0]
        raise Incomparable("no value representation")

    def _delimiter(self, place: int) -> tuple[int, int]:
        self._spend()
        group, number, length = struct.unpack(f"{self._order}HHL", self.read(place, 8))
        return (group << 16) + number, length

    def _sequence_end(self, place: int, implicit: bool, *, depth: int, fragments: bool = False) -> int:
        """Give where the delimiter of a sequence of undefined length begins."""
        if depth > _DEEPEST:
            raise Incomparable("sequences are nested too deep")
        while True:
            tag, length = self._delimiter(place)
            if tag == _SEQUENCE_END:
                return place
            if tag != _ITEM or (fragments and length == _UNDEFINED):
                raise Incomparable("a sequence has something else than items")
            if length == _UNDEFINED:
                place = self._behind_item(place + 8, implicit, depth=depth)
            else:
                place += 8 + length

    def _behind_item(self, place: int, implicit: bool, *, depth: int) -> int:
        """Give where an item of undefined length, whose elements begin at *place*, has ended."""
        while True:
            tag, _ = self._delimiter(place)
            if tag == _ITEM_END:
                return place + 8
            _, place = self._element(place, implicit, depth=depth + 1)

    def _spend(self) -> None:
        if not self._left:
            raise Incomparable("too many elements")
        self._left -= 1
