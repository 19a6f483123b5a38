"""Texts under a right, a wrong and no Specific Character Set."""

import pytest
from pydicom import Dataset

from sgseg_dicom.reading.read import read, read_header
from tests.support.builders import chest_radiograph, write

ESCAPED = "山田^太郎".encode("iso2022_jp").decode("latin-1")


def name_read(folder, *, declared, written_as=None, **keywords):
    """Write a radiograph in *written_as*, declare *declared* over it, and read its patient's name."""
    ds = chest_radiograph(SpecificCharacterSet=written_as or declared, **keywords)
    path = write(ds, folder / "image.dcm")
    if written_as:
        old, new = (f"CS\x0a\0{term:<10}".encode() for term in (written_as, declared))
        assert old in path.read_bytes()
        path.write_bytes(path.read_bytes().replace(old, new))
    return read(path).header


@pytest.mark.parametrize(
    ("declared", "written_as"),
    [
        ("ISO_IR 100", "ISO_IR 192"),
        ("ISO_IR 6", "ISO_IR 192"),
        ("NONSENSE", "ISO_IR 192"),
        ("ISO_IR 192", "ISO_IR 100"),
        ("ISO_IR 13", "ISO_IR 100"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_name_survives_a_wrong_declaration(declared, written_as, tmp_path):
    """The bytes of UTF-8 tell what they are; what is not decodable as declared is Latin-1."""
    header = name_read(tmp_path, declared=declared, written_as=written_as, PatientName="Müller^René")

    assert str(header.PatientName) == "Müller^René"


def test_escape_sequences_are_followed_though_not_declared(tmp_path):
    """Japanese devices write them under ISO_IR 100, or under nothing."""
    for declared in ("ISO_IR 100", None):
        header = name_read(tmp_path, declared=declared, PatientName=f"Yamada^Tarou={ESCAPED}")

        assert str(header.PatientName) == "Yamada^Tarou=山田^太郎"


def test_escape_sequences_to_chinese_are_no_part_of_the_name(tmp_path):
    """GB 2312 with code extensions, as PS3.5 annex K writes it: every component group begins with one."""
    path = write(
        chest_radiograph(
            SpecificCharacterSet=["", "ISO 2022 IR 58"], PatientName="N" * 36, StudyDescription="D" * 8
        ),
        tmp_path / "image.dcm",
    )
    name = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="
    content = path.read_bytes().replace(b"N" * 36, name.ljust(36))
    path.write_bytes(content.replace(b"D" * 8, b"\x1b$)A\xd0\xd8\xb2\xbf"))

    header = read(path).header

    assert str(header.PatientName) == "Zhang^XiaoDong=张^小东"
    assert header.StudyDescription == "胸部"


def test_latin_9_has_the_euro(tmp_path):
    """ISO_IR 203, which pydicom takes for Latin-1: also Š, Ž, Œ and Ÿ."""
    path = write(
        chest_radiograph(SpecificCharacterSet="ISO_IR 100", PatientName="¦ima^¤uro"), tmp_path / "image.dcm"
    )
    path.write_bytes(path.read_bytes().replace(b"ISO_IR 100", b"ISO_IR 203"))

    assert str(read(path).header.PatientName) == "Šima^€uro"


def test_a_right_declaration_is_believed_though_one_text_is_cut_off(tmp_path):
    """A description cut in the middle of a character loses that character, and no other text."""
    path = write(
        chest_radiograph(SpecificCharacterSet="ISO_IR 192", PatientName="山田", StudyDescription="胸部 正面"),
        tmp_path / "image.dcm",
    )
    path.write_bytes(path.read_bytes().replace("面".encode(), "面".encode()[:2] + b" "))

    header = read(path).header

    assert str(header.PatientName) == "山田"
    assert header.StudyDescription.startswith("胸部 正")


def test_a_multi_byte_declaration_is_believed_though_the_bytes_could_be_utf_8(tmp_path):
    """A well-known trap: in GB18030, 联通 has the bytes of two letters of UTF-8."""
    header = name_read(tmp_path, declared="GB18030", PatientName="联通")

    assert str(header.PatientName) == "联通"


def test_the_items_of_a_sequence_are_read_as_their_data_set_is(tmp_path):
    """An item without a Specific Character Set of its own has that around it, corrected or not."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "1", "99X", "Übersicht"
    header = name_read(
        tmp_path,
        declared="ISO_IR 100",
        written_as="ISO_IR 192",
        PatientName="Müller",
        ProcedureCodeSequence=[item],
    )

    assert header.ProcedureCodeSequence[0].CodeMeaning == "Übersicht"


def test_ascii_has_no_say(tmp_path):
    """A plain name under any declaration is that name."""
    for declared in ("ISO_IR 100", "ISO_IR 192", "GB18030", "ISO_IR 13", None):
        assert str(name_read(tmp_path, declared=declared).PatientName) == "Nobody^Anne"


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("王^小东", "gb18030"),
        ("Иванов^Пётр", "cp1251"),
        ("김^희중", "euc_kr"),
        ("ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎", "shift_jis"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_declares_nothing_is_read_as_the_site_says(name, encoding, tmp_path):
    """Archives have such a default; without ours the results would be of another patient than their study's."""
    path = undeclared_radiograph(tmp_path, name.encode(encoding))

    assert str(read(path, undeclared=encoding).header.PatientName) == name
    assert str(read_header(path, undeclared=encoding).PatientName) == name
    assert str(read(path).header.PatientName) != name


@pytest.mark.filterwarnings("ignore")
def test_the_sites_default_is_for_what_declares_nothing(tmp_path):
    """UTF-8 tells itself; what is declared is believed, Latin-1 too."""
    path = undeclared_radiograph(tmp_path, "Müller".encode())
    assert str(read(path, undeclared="gb18030").header.PatientName) == "Müller"

    declared = write(
        chest_radiograph(SpecificCharacterSet="ISO_IR 100", PatientName="Müller"), tmp_path / "declared.dcm"
    )
    assert str(read(declared, undeclared="gb18030").header.PatientName) == "Müller"


def undeclared_radiograph(folder, name: bytes):
    """Write a radiograph without Specific Character Set, whose patient's name has these bytes."""
    placed = b"N" * (len(name) + len(name) % 2)
    path = write(
        chest_radiograph(SpecificCharacterSet=None, PatientName=placed.decode()), folder / "image.dcm"
    )
    data = path.read_bytes()
    assert data.count(placed) == 1
    path.write_bytes(data.replace(placed, name.ljust(len(placed))))
    return path
