"""
Do two files hold the same values, however they are encoded?

Over two routes (modality and archive, say) an image comes in two encodings: with value representations or without,
with other forms of lengths, with padding behind it, its texts transcoded. None of that is other content.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from pydicom import DataElement, Dataset, dcmread
from pydicom.config import disable_value_validation
from pydicom.errors import InvalidDicomError
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pydicom.valuerep import STR_VR

from sgseg_dicom.attributes import UNPARSABLE
from sgseg_dicom.reading.character_sets import encodings_of, without_escapes

_PLAIN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)
_PIXEL_DATA = 0x7FE00010
# Of the encoding, not of the image: Length to End (retired), Specific Character Set, Data Set Trailing Padding
# (PS3.10 7.2), and the group lengths (PS3.5 7.2).
_OF_THE_ENCODING = frozenset({0x00080001, 0x00080005, 0xFFFCFFFC})
_LEADING_BLANKS_COUNT = frozenset({"ST", "LT", "UT", "UR"})  # PS3.5 6.2
_TEXT_OF_UNKNOWN_VR = re.compile(rb"[ -\xff]*\0?")
_INCOMPARABLE = (*UNPARSABLE, InvalidDicomError, EOFError, OSError)

Content = tuple[str, bytes, bytes]


def same_content(first: Path, second: Path) -> bool:
    """
    Say whether two files hold the same values.

    Compressed and big endian ones are compared with those of their own transfer syntax alone; what cannot be read is
    the same as nothing.
    """
    try:
        with disable_value_validation():
            return _content(first) == _content(second)
    except _INCOMPARABLE:
        return False


def _content(path: Path) -> Content:
    """Give the transfer syntax where it matters, all values but the pixels in one encoding, and the pixels."""
    ds = dcmread(path)
    syntax = ds.file_meta.TransferSyntaxUID
    encoded = DicomBytesIO()
    encoded.is_little_endian, encoded.is_implicit_VR = True, True
    write_dataset(encoded, _in_one_encoding(ds))
    pixels = bytes(ds.get_item(_PIXEL_DATA).value or b"") if _PIXEL_DATA in ds else b""  # type: ignore[union-attr]
    return "" if syntax in _PLAIN else str(syntax), encoded.getvalue(), pixels + b"\0" * (len(pixels) % 2)


def _in_one_encoding(ds: Dataset, inherited: Sequence[str] = ()) -> Dataset:
    """Copy a data set with its texts in UTF-8 and without their padding, as bytes; pixels are left out."""
    encodings = encodings_of(ds, inherited)
    implicit_vr, little_endian = ds.original_encoding
    ds.set_original_encoding(implicit_vr, little_endian, encodings)  # pydicom converts texts by it
    copy = Dataset()
    for element in ds:
        if element.tag in _OF_THE_ENCODING or element.tag.element == 0 or element.tag == _PIXEL_DATA:
            continue
        if element.VR == "SQ":
            items = [_in_one_encoding(item, encodings) for item in element.value or ()]
            copy.add(DataElement(element.tag, "SQ", items))
        elif element.VR in STR_VR:
            copy.add(_as_bytes(element.tag, _text(element)))
        elif element.VR == "UN" and _TEXT_OF_UNKNOWN_VR.fullmatch(element.value or b""):
            copy.add(_as_bytes(element.tag, element.value or b""))
        else:
            copy.add(element)
    return copy


def _text(element: DataElement) -> bytes:
    values = element.value if element.VM > 1 else [element.value]
    texts = ["" if value is None else without_escapes(str(value)) for value in values]
    if element.VR == "PN":
        texts = ["=".join(group.rstrip("^ \0") for group in text.split("=")).rstrip("=") for text in texts]
    elif element.VR not in _LEADING_BLANKS_COUNT:
        texts = [text.strip(" \0") for text in texts]
    return "\\".join(texts).encode("utf-8")


def _as_bytes(tag: BaseTag, text: bytes) -> DataElement:
    return DataElement(tag, "UN", text.rstrip(b" \0"))
