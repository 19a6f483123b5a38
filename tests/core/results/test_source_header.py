"""What results take over from any hospital's header: names intact, gaps filled, nothing logged."""

import copy
import logging
import warnings
from io import BytesIO

import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from sgseg_dicom.errors import InvalidResult
from sgseg_dicom.findings.measure import measure
from sgseg_dicom.results.measurement_report import encode_sr
from sgseg_dicom.results.seg import encode_seg
from sgseg_dicom.results.source_header import source_of
from sgseg_dicom.results.write import write
from tests.support.predictions import ALGORITHM, MADE_AT, both_lungs, read_built

TYPE_2 = [
    "AccessionNumber",
    "Manufacturer",
    "PatientBirthDate",
    "PatientID",
    "PatientName",
    "PatientSex",
    "ReferringPhysicianName",
    "StudyDate",
    "StudyID",
    "StudyTime",
]
NAMES = [
    (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    ("GB18030", "Wang^XiaoDong=王^小东"),
    ("ISO_IR 144", "Люкceмбypг^Анна"),
    ("ISO_IR 126", "Διονυσιος^Αννα"),
    ("ISO_IR 127", "قباني^لنزار"),
    ("ISO_IR 100", "Müller^Ángela"),
    ("ISO_IR 192", "Łukasz^Zoë–Ana"),
    ("ISO_IR 6", "Plain^Jane"),
    (None, "Plain^Jane"),
]


def results_of(radiograph):
    """Encode SEG and SR, write them, and read them as an archive would."""
    finding = measure(both_lungs(), radiograph)
    seg = encode_seg(radiograph, finding, algorithm=ALGORITHM, made_at=MADE_AT)
    sr = encode_sr(radiograph, finding, seg, algorithm=ALGORITHM, made_at=MADE_AT)
    return [_written_and_read(result) for result in (seg, sr)]


def _written_and_read(result):
    file = BytesIO()
    result.save_as(file, enforce_file_format=True)
    file.seek(0)
    return dcmread(file)


@pytest.mark.parametrize(("character_set", "name"), NAMES)
def test_a_name_in_any_character_set_comes_out_intact_in_utf_8(character_set, name):
    """
    highdicom alone refuses the first, third and "ISO_IR 6" with an empty ValueError.
    """
    radiograph = read_built(SpecificCharacterSet=character_set, PatientName=name, StudyDescription="CHEST")

    for result in results_of(radiograph):
        assert result.SpecificCharacterSet == "ISO_IR 192"
        assert str(result.PatientName) == name


def test_text_besides_the_name_is_intact_too():
    """
    A study description is not decoded by the name's rules.
    """
    radiograph = read_built(SpecificCharacterSet=["", "ISO 2022 IR 87"], StudyDescription="胸部 正面")

    assert [result.StudyDescription for result in results_of(radiograph)] == ["胸部 正面"] * 2


@pytest.mark.parametrize("keyword", TYPE_2)
def test_a_missing_type_2_attribute_comes_in_empty(keyword):
    """
    Absent in the source, present and empty in the result; never an error.
    """
    radiograph = read_built(**{keyword: None})

    for result in results_of(radiograph):
        if keyword != "Manufacturer":
            assert not result[keyword].value


def test_all_type_2_attributes_may_be_missing_at_once():
    """
    The barest header that has its four UIDs still gets an answer.
    """
    bare = [*TYPE_2, "SeriesNumber", "PatientOrientation", "BodyPartExamined", "Modality", "SeriesDate"]

    assert len(results_of(read_built(**dict.fromkeys(bare)))) == 2


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientBirthDate", "19500000"),
        ("PatientBirthDate", "1950"),
        ("StudyDate", "unknown"),
        ("StudyTime", "9999"),
        ("PatientSex", "U"),
        ("PatientAge", "45"),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_a_value_that_is_none_is_left_out(keyword, value):
    """
    Repeating it would make our result invalid; the source keeps it.
    """
    radiograph = read_built(**{keyword: value})

    for result in results_of(radiograph):
        assert not result.get(keyword)


@pytest.mark.parametrize("orientation", [None, "L", ["L", ""]])
def test_half_an_orientation_is_not_repeated(orientation):
    """
    Patient Orientation has two values or, in the SEG, none (Type 2C); the SR's image library leaves it out.
    """
    seg, _ = results_of(read_built(PatientOrientation=orientation))

    assert not seg.PatientOrientation


def test_the_header_is_not_changed():
    """
    The copy is deep: sequences too.
    """
    sequence = Dataset()
    sequence.CodeValue = "36554-4"
    sequence.CodingSchemeDesignator = "LN"
    sequence.CodeMeaning = "Chest X-ray"
    radiograph = read_built(PatientSex=None, ProcedureCodeSequence=[sequence])
    before = copy.deepcopy(radiograph.header)

    results_of(radiograph)
    source_of(radiograph).ProcedureCodeSequence[0].CodeMeaning = "changed"

    assert before == radiograph.header


def test_the_study_is_repeated_with_its_codes():
    """
    What identifies study and patient is taken over, not only what is required.
    """
    radiograph = read_built(StudyDescription="Chest PA", IssuerOfPatientID="Hospital", PatientAge="064Y")

    for result in results_of(radiograph):
        for keyword in (
            "StudyDescription",
            "IssuerOfPatientID",
            "PatientAge",
            "AccessionNumber",
            "StudyDate",
        ):
            assert result[keyword].value == radiograph.header[keyword].value


def test_nothing_of_the_patient_is_logged_or_warned_of(caplog):
    """
    highdicom logs a name without a caret, pydicom warns of a wrong date with the date: neither sees them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        radiograph = read_built(
            PatientName="Secretname", PatientID="Secretnumber", PatientBirthDate="19770700"
        )
    caplog.clear()

    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        results_of(radiograph)

    said = caplog.text + " ".join(str(warning.message) for warning in caught)
    assert "Secret" not in said
    assert "19770700" not in said


@pytest.mark.filterwarnings("ignore")
def test_a_text_that_its_character_set_cannot_hold_is_never_sent():
    """
    pydicom would write the dash as "?" and only warn.
    """
    result = _smallest_result()
    result.SpecificCharacterSet = "ISO_IR 100"
    result.StudyDescription = "right – lower"

    with pytest.raises(InvalidResult, match="StudyDescription does not read back"):
        write(result)


@pytest.mark.filterwarnings("ignore")
def test_both_results_are_read_back_when_they_are_written():
    """
    A half surrogate, as broken decoding leaves it, has no UTF-8.
    """
    radiograph = read_built()
    radiograph.header.StudyDescription = "chest \ud800"
    finding = measure(both_lungs(), radiograph)
    made = {"algorithm": ALGORITHM, "made_at": MADE_AT}

    with pytest.raises(InvalidResult, match="StudyDescription"):
        write(encode_seg(radiograph, finding, **made))
    with pytest.raises(InvalidResult, match="StudyDescription"):
        write(encode_sr(radiograph, finding, None, **made))


@pytest.mark.filterwarnings("ignore")
def test_a_lost_text_is_found_at_every_depth():
    """
    The sentence of an SR lies several sequences deep.
    """
    result, item = _smallest_result(), Dataset()
    result.SpecificCharacterSet = "ISO_IR 100"
    item.TextValue = "right – lower"
    result.ContentSequence = [item]

    with pytest.raises(InvalidResult, match=r"ContentSequence\.TextValue does not read back"):
        write(result)


def test_a_text_in_utf_8_reads_back():
    """
    The check accepts what is right, with several values and trailing blanks.
    """
    result = _smallest_result()
    result.SpecificCharacterSet = "ISO_IR 192"
    result.StudyDescription = "胸部 – zwölf "
    result.OtherPatientIDs = ["å", "ß"]

    write(result)


def _smallest_result():
    result = Dataset()
    result.SOPClassUID, result.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.34", "1.2.3"
    result.file_meta = FileMetaDataset()
    result.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return result
