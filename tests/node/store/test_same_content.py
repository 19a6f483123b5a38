"""Another encoding of the same values is no other content."""

import copy
from pathlib import Path

import pytest
from pydicom import Dataset, uid
from pydicom.dataelem import DataElement
from pydicom.uid import UID

from node.store.same_content import same_content
from tests.support.builders import chest_radiograph, synthetic_chest, write

PIXELS = synthetic_chest((96, 80))
PLAIN = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian)


def radiograph(**attributes: object) -> Dataset:
    """Build an image with names of other alphabets, a sequence, private elements and numbers of odd length."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "1", "99X", "Lungenübersicht"
    given = {
        "SpecificCharacterSet": "ISO_IR 192",
        "PatientName": "Müller^Jörg",
        "StudyDescription": "Röntgen",
        "ProcedureCodeSequence": [item],
        "WindowCenter": "2048",
    }
    ds = chest_radiograph(pixels=PIXELS, **(given | attributes))
    ds.add(DataElement(0x00090010, "LO", "MADE UP"))
    ds.add(DataElement(0x00091001, "LO", "abc"))
    ds.add(DataElement(0x00091002, "UL", 5))
    ds.add(DataElement(0x00091003, "OB", b"\1\0\0\0"))
    return ds


def same(folder: Path, one: Dataset, other: Dataset, *syntaxes: UID) -> bool:
    first, second = syntaxes or (uid.ExplicitVRLittleEndian, uid.ExplicitVRLittleEndian)
    return same_content(write(one, folder / "one.dcm", first), write(other, folder / "other.dcm", second))


@pytest.mark.parametrize("second", PLAIN, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("first", PLAIN, ids=lambda syntax: syntax.name)
def test_uncompressed_little_endian_is_one_content(first: UID, second: UID, tmp_path: Path) -> None:
    """With value representations or without, deflated or not."""
    assert same(tmp_path, radiograph(), radiograph(), first, second)


@pytest.mark.parametrize("syntax", [*PLAIN, uid.RLELossless, uid.JPEGLosslessSV1, uid.ExplicitVRBigEndian])
def test_padding_behind_the_data_set_is_no_content(syntax: UID, tmp_path: Path) -> None:
    """Data Set Trailing Padding has no meaning (PS3.10 7.2), in whatever transfer syntax."""
    padded = radiograph()
    padded.add(DataElement(0xFFFCFFFC, "OB", b"\0" * 100))

    assert same(tmp_path, radiograph(), padded, syntax, syntax)


@pytest.mark.parametrize("character_set", ["ISO_IR 100", "ISO_IR 101", ["", "ISO 2022 IR 100"]], ids=str)
def test_a_transcoded_text_is_the_same_text(character_set: object, tmp_path: Path) -> None:
    """Archives write names in UTF-8 that came in Latin-1."""
    assert same(tmp_path, radiograph(SpecificCharacterSet=character_set), radiograph())


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 144", "Люкceмбypг"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
    ],
    ids=str,
)
def test_a_name_of_another_alphabet_is_the_same_name(
    character_set: object, name: str, tmp_path: Path
) -> None:
    """Likewise."""
    named = {"PatientName": name, "StudyDescription": "X"}
    one = radiograph(SpecificCharacterSet=character_set, **named)
    del one.ProcedureCodeSequence
    other = radiograph(**named)
    del other.ProcedureCodeSequence

    assert same(tmp_path, one, other)


@pytest.mark.parametrize(
    "attributes",
    [
        {"PatientName": "Müller^Jörg^^"},
        {"PatientName": "Müller^Jörg=="},
        {"StudyDescription": "Röntgen  "},
        {"StudyDescription": " Röntgen"},
        {"WindowCenter": "2048 "},
    ],
    ids=str,
)
def test_what_pads_a_text_is_no_content(attributes: dict[str, object], tmp_path: Path) -> None:
    """Blanks around it, and delimiters of a name that divide nothing (PS3.5 6.2)."""
    assert same(tmp_path, radiograph(), radiograph(**attributes))


def test_the_form_of_lengths_is_no_content(tmp_path: Path) -> None:
    """Sequences and items with lengths or delimiters; groups with lengths or without."""
    other = radiograph()
    other["ProcedureCodeSequence"].is_undefined_length = True
    other.ProcedureCodeSequence[0].is_undefined_length_sequence_item = True
    other.add(DataElement(0x00080000, "UL", 1234))
    other.add(DataElement(0x00100000, "UL", 99))

    assert same(tmp_path, radiograph(), other)


@pytest.mark.parametrize(
    "change",
    [
        {"PatientName": "Müller^Jürg"},
        {"PatientName": "Muller^Jorg"},
        {"PatientID": "OTHER"},
        {"StudyDescription": "Röntgenbild"},
        {"WindowCenter": "2049"},
        {"ImageComments": "new"},
        {"ProcedureCodeSequence": []},
    ],
    ids=str,
)
@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.RLELossless])
def test_another_value_is_other_content(change: dict[str, object], syntax: UID, tmp_path: Path) -> None:
    """What a reader would read otherwise is never the same."""
    assert not same(tmp_path, radiograph(), radiograph(**change), syntax, syntax)


def test_other_pixels_are_other_content(tmp_path: Path) -> None:
    """One value of one pixel."""
    other = radiograph()
    pixels = bytearray(other.PixelData)
    pixels[100] ^= 1
    other.PixelData = bytes(pixels)

    assert not same(tmp_path, radiograph(), other)
    assert not same(tmp_path, radiograph(), other, uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian)


def test_another_private_element_is_other_content(tmp_path: Path) -> None:
    """Nobody knows what it means."""
    for tag, value in ((0x00091001, "abd"), (0x00091002, 6), (0x00091003, b"\1\0")):
        other = copy.deepcopy(radiograph())
        other[tag].value = value

        assert not same(tmp_path, radiograph(), other)


def test_compressed_and_uncompressed_pixels_are_not_compared(tmp_path: Path) -> None:
    """Whether they are the same, decoding alone could tell."""
    assert not same(tmp_path, radiograph(), radiograph(), uid.ExplicitVRLittleEndian, uid.RLELossless)


def test_what_cannot_be_read_is_the_same_as_nothing(tmp_path: Path) -> None:
    """Two broken files may be two images."""
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(b"\0" * 128 + b"DICM" + b"nonsense")

    assert not same_content(broken, broken)
