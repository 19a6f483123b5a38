"""Elements in a value representation that is not their attribute's: they say nothing, and nothing fails."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement

from sgseg_dicom.applicability.header_rules import require_applicable
from sgseg_dicom.reading.read import read
from sgseg_dicom.records import Radiograph, Window
from tests.support.builders import chest_radiograph, synthetic_chest, write

SEQUENCES = [
    "VOILUTSequence",
    "ModalityLUTSequence",
    "ViewCodeSequence",
    "AnatomicRegionSequence",
    "PrimaryAnatomicStructureSequence",
    "PatientOrientationCodeSequence",
    "PatientSpeciesCodeSequence",
    "ProcedureCodeSequence",
    "PerformedProtocolCodeSequence",
    "RequestAttributesSequence",
    "SharedFunctionalGroupsSequence",
]
TEXTS = [
    "BodyPartExamined",
    "ViewPosition",
    "PatientOrientation",
    "SeriesDescription",
    "WindowCenter",
    "ImageComments",
]


def read_with(folder: Path, *elements: DataElement) -> Radiograph:
    ds = chest_radiograph(pixels=synthetic_chest((96, 80)))
    for element in elements:
        ds.add(element)
    return read(write(ds, folder / "x.dcm"))


@pytest.mark.parametrize("vr", ["LO", "SH", "LT", "UT", "CS", "DS", "PN", "OB"])
@pytest.mark.parametrize("keyword", SEQUENCES)
def test_a_sequence_that_is_none_says_nothing(keyword: str, vr: str, tmp_path: Path) -> None:
    """Nobody asks text for items."""
    value = b"12" if vr == "OB" else "12"
    radiograph = read_with(tmp_path, DataElement(tag_for_keyword(keyword), vr, value))

    require_applicable(radiograph)
    assert keyword not in radiograph.header


@pytest.mark.parametrize("keyword", TEXTS)
def test_a_text_that_is_a_sequence_says_nothing(keyword: str, tmp_path: Path) -> None:
    """The items are no values."""
    radiograph = read_with(tmp_path, DataElement(tag_for_keyword(keyword), "SQ", [Dataset()]))

    require_applicable(radiograph)
    if keyword != "PatientOrientation":
        assert keyword not in radiograph.header


@pytest.mark.parametrize(
    ("vr", "value"),
    [("LO", "abcd"), ("LO", ["a", "b"]), ("FD", [1.5] * 256), ("FD", 2.0), ("SQ", [Dataset()])],
)
def test_lut_data_that_are_neither_bytes_nor_integers_are_no_table(
    vr: str, value: object, tmp_path: Path
) -> None:
    """The window is applied in its place."""
    item = Dataset()
    item.add(DataElement(0x00283002, "US", [1, 0, 12]))
    item.add(DataElement(0x00283006, vr, value))

    radiograph = read_with(tmp_path, DataElement(0x00283010, "SQ", [item]))

    plain = read_with(tmp_path)
    assert isinstance(plain.display.voi, Window)
    assert plain.display.voi == radiograph.display.voi
    np.testing.assert_array_equal(plain.pixels, radiograph.pixels)
