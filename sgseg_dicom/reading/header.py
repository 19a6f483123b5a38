"""The data set of a file -> a header that every later stage can use: parsed, decoded, without pixels."""

from collections.abc import Iterator

import numpy as np
from pydicom import DataElement, Dataset, FileDataset, Sequence
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.valuerep import CUSTOMIZABLE_CHARSET_VR, FLOAT_VR, INT_VR

from sgseg_dicom.attributes import UNPARSABLE
from sgseg_dicom.reading.character_sets import encodings_of, without_escapes

_NUMBERS = frozenset({"DS", "IS", "AT", "US or SS"}) | INT_VR | FLOAT_VR
_ICON_IMAGE_SEQUENCE = 0x00880200
_SPECIFIC_CHARACTER_SET = 0x00080005


def header_of(ds: FileDataset, *, undeclared: str = "") -> Dataset:
    """
    Copy *ds* for the stages to come.

    Left out are pixels, overlays, the icon, and elements that cannot be parsed. Value representations are
    explicit, OW values little endian. Text is decoded (`sgseg_dicom.reading.character_sets`), so Specific Character
    Set says ISO_IR 192 (UTF-8), which can write it all: highdicom refuses some character sets and pydicom writes
    "?" in others. *undeclared* is the encoding where none is declared, as of `encodings_of`.
    """
    header = _parsed(ds, big_endian=ds.original_encoding[1] is False, undeclared=undeclared)
    header.SpecificCharacterSet = "ISO_IR 192"
    return header


def _parsed(
    ds: Dataset, *, big_endian: bool, inherited: tuple[str, ...] = (), undeclared: str = ""
) -> Dataset:
    encodings = encodings_of(ds, inherited, undeclared=undeclared)
    implicit_vr, little_endian = ds.original_encoding
    ds.set_original_encoding(implicit_vr, little_endian, encodings)  # pydicom converts texts by it
    parsed = Dataset()
    for element in _parsable(ds):
        if element.tag in (_ICON_IMAGE_SEQUENCE, _SPECIFIC_CHARACTER_SET) or _holds_pixels(element.tag.group):
            continue
        if element.VR == "SQ":
            items = [
                _parsed(item, big_endian=big_endian, inherited=tuple(encodings))
                for item in element.value or ()
            ]
            element = DataElement(element.tag, "SQ", Sequence(items))
        elif element.VR == "PN" or (element.VR in CUSTOMIZABLE_CHARSET_VR and "\x1b" in str(element.value)):
            element = _decoded(element)
        elif element.VR == "OW" and big_endian and element.value:
            if len(element.value) % 2:
                continue  # half a word
            element = DataElement(
                element.tag, "OW", np.frombuffer(element.value, ">u2").astype("<u2").tobytes()
            )
        parsed.add(element)
    return parsed


def _decoded(element: DataElement) -> DataElement:
    """Give an element of text without what its bytes were written in."""
    texts = [without_escapes(str(text)) for text in ([element.value] if element.VM < 2 else element.value)]
    return DataElement(element.tag, element.VR, texts if element.VM > 1 else texts[0])


def _parsable(ds: Dataset) -> Iterator[DataElement]:
    for tag in sorted(ds.keys()):
        try:
            element = ds[tag]
        except (*UNPARSABLE, OSError, EOFError):  # of a sequence that pydicom parses only now, from memory
            continue
        if not _has_fallen_back(element):
            yield element


def _has_fallen_back(element: DataElement) -> bool:
    """
    Whether an element is not what its attribute is: a number given out as text or bytes, because pydicom could not
    parse it, or text in place of a sequence, or a sequence in place of text.
    """
    known = dictionary_has_tag(element.tag)
    expected = dictionary_VR(element.tag) if known else element.VR
    if "SQ" in (element.VR, expected):
        return expected != element.VR
    if element.VR in ("DS", "IS"):
        values = element.value if element.VM > 1 else [element.value]
        return any(isinstance(value, str) and value for value in values)
    return known and element.VR in ("SH", "UN") and expected in _NUMBERS


def _holds_pixels(group: int) -> bool:
    return group == 0x7FE0 or group >> 8 in (0x50, 0x60)  # curves and overlays: PS3.5 7.6
