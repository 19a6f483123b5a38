"""What hospitals send besides the standard: each gap and oddity goes through the whole pipeline, and is valid."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence
from pydicom.uid import UID, JPEGBaseline8Bit, JPEGLSNearLossless

from sgseg_dicom.attributes import LOSS_KEYWORDS
from sgseg_dicom.errors import InvalidDataset, UnsupportedObject
from sgseg_dicom.result_kinds import Kind, Wanted
from tests.support.builders import chest_radiograph, write
from tests.support.matrix import Cell, Looking, cells, picture
from tests.support.predictions import pipeline_of
from tests.support.validators import dcentvfy, dciodvfy

ALL = Wanted(results=tuple(Kind))
TYPE_2 = (
    *(
        "AccessionNumber",
        "PatientBirthDate",
        "PatientID",
        "PatientName",
        "PatientSex",
        "ReferringPhysicianName",
    ),
    *("StudyDate", "StudyID", "StudyTime"),
)
FURTHER = (
    *("BodyPartExamined", "Manufacturer", "Modality", "PatientOrientation", "SeriesNumber", "InstanceNumber"),
    *("ViewPosition", "ViewCodeSequence", "AnatomicRegionSequence", "PatientAge"),
)
LONGEST_UID = "1.2.840.113619." + "9" * 49
STUDY_SEQUENCES = (
    *("ProcedureCodeSequence", "ReferencedStudySequence", "ReferencedPatientSequence"),
    *(
        "PhysiciansOfRecordIdentificationSequence",
        "IssuerOfAccessionNumberSequence",
        "OtherPatientIDsSequence",
    ),
    *("RequestAttributesSequence", "ReferencedPerformedProcedureStepSequence", "PatientSpeciesCodeSequence"),
    *("IssuerOfPatientIDQualifiersSequence", "ReasonForPerformedProcedureCodeSequence"),
)


def marked(**keywords: Any) -> Dataset:
    """Build a DX with a spot in either lung."""
    cell: Cell = next(cell for cell in cells() if len(cell.sides) == 2)
    return chest_radiograph(pixels=picture(cell), **keywords)


def made(ds: Dataset, folder: Path, wanted: Wanted = ALL) -> Mapping[Path, Dataset]:
    """Take *ds* through the pipeline; write and give the results by their files."""
    results = pipeline_of(Looking())(write(ds, folder / "source.dcm"), wanted={"archive": wanted})
    for name, one in results.files.items():
        (folder / name).write_bytes(one.content)
    return {folder / name: one.dataset for name, one in results.files.items()}


def with_private_elements(ds: Dataset) -> Dataset:
    """Add a vendor's block to every group that results copy from, and inside a sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "36554-4", "LN", "Chest X-ray"
    ds.ProcedureCodeSequence = [item]
    for group in (0x0009, 0x0011, 0x0013, 0x0021):
        for place in (ds, item):
            place.private_block(group, "VENDOR 1.0", create=True).add_new(1, "LO", "Secret^Name")
    return ds


ODDITIES: dict[str, dict[str, Any]] = {
    "no Type 2 attribute": dict.fromkeys(TYPE_2),
    "empty Type 2 attributes": dict.fromkeys(TYPE_2, ""),
    "nothing that is not needed": dict.fromkeys(TYPE_2 + FURTHER),
    "empty sequences": {keyword: [] for keyword in STUDY_SEQUENCES},
    "items without content": {"ProcedureCodeSequence": [Dataset()], "ReferencedStudySequence": [Dataset()]},
    "no orientation, no view": {"PatientOrientation": None, "ViewPosition": None, "ViewCodeSequence": None},
    "empty orientation and view": {"PatientOrientation": "", "ViewPosition": ""},
    "spacing of zero": {"ImagerPixelSpacing": [0, 0], "PixelSpacing": [0, 0]},
    "spacing of one number": {"ImagerPixelSpacing": [0.2]},
    "spacing below a micrometre": {"ImagerPixelSpacing": ["0.00001", "0.00001"]},
    "spacing that is negative": {"PixelSpacing": [-0.2, -0.2]},
    "spacing in exponents": {"ImagerPixelSpacing": ["1.43E-01", "1.43E-01"]},
    "spacing of many digits": {"ImagerPixelSpacing": ["0.14300000000001", "0.1430000000001"]},
    "unequal spacing": {"PixelSpacing": [0.1, 0.3]},
    "the longest UIDs": {
        "StudyInstanceUID": LONGEST_UID,
        "SeriesInstanceUID": LONGEST_UID[:-1] + "1",
        "SOPInstanceUID": LONGEST_UID[:-1] + "2",
    },
    "loss that is stated empty": {"LossyImageCompression": "", "LossyImageCompressionRatio": ""},
    "loss that is no term": {"LossyImageCompression": "NO"},
    "a name in ideographs alone": {
        "SpecificCharacterSet": "ISO_IR 192",
        "PatientName": "=山田^太郎=やまだ^たろう",
    },
    "a name without a caret": {"PatientName": "NOBODY ANNE"},
    "lower case where none is allowed": {
        "BodyPartExamined": "chest",
        "ViewPosition": "pa",
        "PatientSex": "f",
    },
    "several study times": {"StudyTime": "10:15:00", "StudyDate": "2024.05.01"},
    "an age that is none": {"PatientAge": "64"},
    "a series number that is none": {"SeriesNumber": ""},
    "trial attributes that are empty": {
        "ClinicalTrialSponsorName": "",
        "ClinicalTrialProtocolID": "",
        "ClinicalTrialSubjectID": "",
    },
    "texts that end in other white space": {
        "StudyDescription": "CHEST PA\r\n",
        "AccessionNumber": "A1\t",
    },
    "several study dates": {"StudyDate": ["20240501", "20240502"], "StudyTime": ["1015", "1016"]},
    "a comment of several lines": {"PatientComments": "one\r\ntwo", "AdditionalPatientHistory": "a\r\nb"},
}


@pytest.mark.parametrize("oddity", ODDITIES)
@pytest.mark.filterwarnings("ignore")
def test_the_results_of_an_odd_header_are_valid(oddity: str, tmp_path: Path) -> None:
    """Every form of result; what no value is, is not repeated."""
    results = made(marked(**ODDITIES[oddity]), tmp_path)

    assert len(results) == len(Kind)
    assert [line for path in results for line in dciodvfy(path)] == []
    assert dcentvfy([*results, tmp_path / "source.dcm"]) == []


@pytest.mark.filterwarnings("ignore")
def test_of_several_referring_physicians_the_first_is_repeated(tmp_path: Path) -> None:
    """There may be one; a second one must not cost the results."""
    results = made(marked(ReferringPhysicianName=["SMITH^J", "JONES^K"]), tmp_path)

    assert len(results) == len(Kind)
    assert {str(dcmread(path).ReferringPhysicianName) for path in results} == {"SMITH^J"}


@pytest.mark.filterwarnings("ignore")
def test_a_name_that_ends_in_a_full_width_space_is_repeated(tmp_path: Path) -> None:
    """Such names come from Japanese keyboards; a space that pads is another one."""
    name = "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce\u3000"
    odd = marked(PatientName=name, SpecificCharacterSet=["", "ISO 2022 IR 87"])

    results = made(odd, tmp_path)

    assert len(results) == len(Kind)
    assert {str(dcmread(path).PatientName).rstrip() for path in results} == {name.rstrip()}


@pytest.mark.filterwarnings("ignore")
def test_an_identifier_that_is_too_long_is_repeated_whole(tmp_path: Path) -> None:
    """Cut to the 16 characters of its representation, it would belong to another order."""
    for result in made(marked(AccessionNumber="2024-05-01/000001"), tmp_path).values():
        assert result.AccessionNumber == "2024-05-01/000001"


def test_private_elements_stay_with_the_image(tmp_path: Path) -> None:
    """A vendor's elements may hold anything; results repeat none, at no depth."""
    results = made(with_private_elements(marked()), tmp_path)

    for path, result in results.items():
        assert not [element for element in result.iterall() if element.tag.is_private]
        assert b"Secret^Name" not in path.read_bytes()


def test_the_longest_uids_are_repeated_whole(tmp_path: Path) -> None:
    """64 characters (PS3.5 9.1), in study and reference."""
    results = made(marked(**ODDITIES["the longest UIDs"]), tmp_path)

    for path, result in results.items():
        assert result.StudyInstanceUID == LONGEST_UID
        assert (LONGEST_UID[:-1] + "2").encode() in path.read_bytes()


@pytest.mark.filterwarnings("ignore")
def test_a_uid_with_a_leading_zero_is_repeated_as_it_is(tmp_path: Path) -> None:
    """PS3.5 9.1 forbids 1.02; devices that make UIDs of dates write it. It is the only name that the image has."""
    odd = "1.2.826.0.1.20240501.080510.7"

    for path, result in made(marked(SOPInstanceUID=odd, StudyInstanceUID="1.2.0003"), tmp_path).items():
        assert result.StudyInstanceUID == "1.2.0003"
        assert odd.encode() in path.read_bytes()
        assert [line for line in dciodvfy(path) if not re.search("UI |Value Representations$", line)] == []


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
@pytest.mark.parametrize("value", ["1.2.abc", "1.2." + "9" * 61, "1.2-3"])
@pytest.mark.filterwarnings("ignore")
def test_an_image_whose_uid_is_none_is_refused_by_name(keyword: str, value: str, tmp_path: Path) -> None:
    """Letters, or more than 64 characters: no valid object can refer to it, and the sender is told which it is."""
    ds = marked()
    setattr(ds, keyword, value)

    with pytest.raises(InvalidDataset, match=keyword):
        made(ds, tmp_path)


def test_sequences_keep_their_place(tmp_path: Path) -> None:
    """The study's codes are repeated where they are whole."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "36554-4", "LN", "Chest X-ray"

    for result in made(marked(ProcedureCodeSequence=Sequence([item])), tmp_path).values():
        assert result.ProcedureCodeSequence[0].CodeValue == "36554-4"


def test_a_result_that_comes_back_is_neither_judged_nor_answered(tmp_path: Path) -> None:
    """An archive routes what it stores: a picture of ours must not begin a chain of answers about answers."""
    made(marked(), tmp_path)
    back = tmp_path / "secondary-capture.dcm"

    with pytest.raises(UnsupportedObject, match="result of this software"):
        pipeline_of(Looking())(back)
    with pytest.raises(UnsupportedObject, match="result of this software"):
        pipeline_of(Looking()).not_judged(back, UnsupportedObject("colour"))


@pytest.mark.parametrize(
    ("syntax", "method"), [(JPEGBaseline8Bit, "ISO_10918_1"), (JPEGLSNearLossless, "ISO_14495_1")]
)
def test_a_loss_that_only_the_transfer_syntax_tells_is_told_on(
    syntax: UID, method: str, tmp_path: Path
) -> None:
    """PS3.3 C.7.6.1.1.5: "00" would say that no reader of the SEG looks at anything but the original pixels."""
    cell = next(cell for cell in cells() if len(cell.sides) == 2)
    path = write(
        chest_radiograph(pixels=(picture(cell) >> 4).astype(np.uint8)), tmp_path / "source.dcm", syntax
    )
    ds = dcmread(path)
    for keyword in LOSS_KEYWORDS:
        ds.pop(keyword, None)
    ds.save_as(path)

    results = pipeline_of(Looking())(path, wanted={"archive": ALL}).objects

    told = [result for result in results if "LossyImageCompression" in result]
    assert len(told) == 2
    for result in told:
        assert (result.LossyImageCompression, result.LossyImageCompressionMethod) == ("01", method)
        assert float(result.LossyImageCompressionRatio) > 1
