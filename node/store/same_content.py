"""
Do two files hold the same values, however they are encoded?

Over two routes (modality and archive, say) an image comes in two encodings: with value representations or without,
with other forms of lengths, with padding behind it, its texts transcoded. None of that is other content.

Whoever can send can make us compare. So each file is read in pieces, one after the other, and becomes a digest:
neither its size nor what it inflates to is ever in memory. What has too much in it is not compared.
"""

import hashlib
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile

from pydicom import DataElement, Dataset
from pydicom.config import disable_value_validation
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pydicom.valuerep import STR_VR

from node.store.element_stream import ElementStream, Incomparable, Span
from node.store.inflating import data_set_of
from sgseg_dicom.attributes import UNPARSABLE
from sgseg_dicom.errors import InvalidDataset
from sgseg_dicom.reading.character_sets import encodings_of, without_escapes

_PLAIN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)
# Of the encoding, not of the image: Length to End (retired), Specific Character Set, Data Set Trailing Padding
# (PS3.10 7.2), and the group lengths (PS3.5 7.2).
_OF_THE_ENCODING = frozenset({0x00080001, 0x00080005, 0xFFFCFFFC})
_LEADING_BLANKS_COUNT = frozenset({"ST", "LT", "UT", "UR"})  # PS3.5 6.2
_TEXT_OF_UNKNOWN_VR = re.compile(rb"[ -\xff]*\0?")
_INCOMPARABLE = (*UNPARSABLE, Incomparable, InvalidDataset, EOFError, OSError)

_LONGEST_VALUE = 1 << 16
"""Bytes of a value that is read whole. Longer ones are compared byte for byte."""

_MOST_BYTES = 1 << 23
"""Of all values that are read whole."""

_COMPARING = threading.Lock()
"""One comparison at a time: together they have no more memory and disk than one."""


def same_content(first: Path, second: Path) -> bool:
    """
    Say whether two files hold the same values.

    Compressed and big endian ones are compared with those of their own transfer syntax alone; what cannot be read, or
    is too large to be compared, is the same as nothing.
    """
    try:
        with _COMPARING, disable_value_validation():
            return _digest(first) == _digest(second)
    except _INCOMPARABLE:
        return False


def _digest(path: Path) -> tuple[str, bytes]:
    """Give the transfer syntax where it matters, and a digest of all values in one encoding."""
    with path.open("rb") as file, TemporaryFile(dir=path.parent) as inflated:
        syntax, data_set = data_set_of(file, inflated)  # type: ignore[arg-type]
        stream = ElementStream(
            data_set, implicit=syntax == ImplicitVRLittleEndian, little_endian=syntax != ExplicitVRBigEndian
        )
        content = _Content(stream)
        content.add(stream.elements(data_set.tell(), stream.end))
        return "" if syntax in _PLAIN else syntax, content.digest()


class _Content:
    """The digest of a data set that is read from a stream."""

    def __init__(self, stream: ElementStream) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self._left = _MOST_BYTES

    def digest(self) -> bytes:
        """Give what all values so far come to."""
        return self._hash.digest()

    def add(self, elements: Sequence[Span], inherited: Sequence[str] = ()) -> None:
        """Add the elements of a data set or an item; *inherited* are the encodings around an item."""
        raw = self._read(elements)
        short = self._unconverted(raw)
        encodings = encodings_of(short, inherited)
        if elements:
            first = elements[0]
            short.set_original_encoding(first.implicit, self._stream.little_endian, encodings)
        for element in sorted(elements):
            if element.tag in _OF_THE_ENCODING or element.tag & 0xFFFF == 0:
                continue
            self._note(b"element %d" % element.tag)
            if element.vr == "SQ":
                self._add_items(element, encodings)
            elif element in raw:
                self._add_value(_canonical(short, element, raw[element]))
            else:
                self._add_span(element)

    def _read(self, elements: Sequence[Span]) -> Mapping[Span, bytes]:
        """Read the values that are short enough."""
        raw: dict[Span, bytes] = {}
        for element in elements:
            if element.vr == "SQ" or element.length > _LONGEST_VALUE or element.is_encapsulated:
                continue
            self._left -= element.length
            if self._left < 0:
                raise Incomparable("its short values are too many")
            raw[element] = self._stream.read(element.start, element.length)
        return raw

    def _unconverted(self, values: Mapping[Span, bytes]) -> Dataset:
        """Give a data set as pydicom has it before it converts values."""
        ds, little_endian = Dataset(), self._stream.little_endian
        for one, value in values.items():
            if one.tag in ds:
                raise Incomparable("an element stands twice")
            ds[one.tag] = RawDataElement(
                Tag(one.tag), one.vr or None, one.length, value, one.start, one.implicit, little_endian
            )
        return ds

    def _add_items(self, sequence: Span, encodings: Sequence[str]) -> None:
        for start, end in self._stream.items(sequence):
            self._note(b"item")
            self.add(self._stream.elements(start, end, implicit=sequence.items_implicit), encodings)
        self._note(b"end")

    def _add_value(self, value: bytes) -> None:
        self._note(b"value %d" % len(value))
        self._hash.update(value)

    def _add_span(self, element: Span) -> None:
        self._note(b"value %d" % (element.length + element.length % 2))
        for piece in self._stream.pieces(element.start, element.length):
            self._hash.update(piece)
        self._hash.update(b"\0" * (element.length % 2))

    def _note(self, what: bytes) -> None:
        self._hash.update(b"<%s>" % what)


def _canonical(short: Dataset, span: Span, raw: bytes) -> bytes:
    """Give the bytes of a value: a text in UTF-8 and without its padding, any other value as it is."""
    if span.vr in STR_VR or span.vr in ("", "UN"):
        element = short[span.tag]
        if element.VR in STR_VR:
            return _text(element)
        if element.VR == "UN" and _TEXT_OF_UNKNOWN_VR.fullmatch(raw):
            return raw.rstrip(b" \0")
    return raw + b"\0" * (len(raw) % 2)


def _text(element: DataElement) -> bytes:
    values = element.value if element.VM > 1 else [element.value]
    texts = ["" if value is None else without_escapes(str(value)) for value in values]
    if element.VR == "PN":
        texts = ["=".join(group.rstrip("^ \0") for group in text.split("=")).rstrip("=") for text in texts]
    elif element.VR not in _LEADING_BLANKS_COUNT:
        texts = [text.strip(" \0") for text in texts]
    return "\\".join(texts).encode("utf-8").rstrip(b" \0")
