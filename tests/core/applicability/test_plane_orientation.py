"""Image Orientation (Patient) (0020,0037): how a radiograph lies where Patient Orientation does not say."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from sgseg_dicom.applicability.header_rules import require_applicable
from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.reading.read import read, read_header
from sgseg_dicom.records import Orientation, Radiograph
from tests.support.builders import chest_radiograph, synthetic_chest, write

STANDARD = [1, 0, 0, 0, 0, -1]
MIRRORED = [-1, 0, 0, 0, 0, -1]
PIXELS = synthetic_chest((96, 80))


def read_with(folder: Path, **attributes: object) -> Radiograph:
    """Read a radiograph that states what *attributes* say, and nothing else of its orientation and view."""
    silent = {"PatientOrientation": None, "ViewPosition": None, "ViewCodeSequence": None}
    return read(write(chest_radiograph(pixels=PIXELS, **(silent | attributes)), folder / "x.dcm"))


def reason(folder: Path, **attributes: object) -> str | None:
    try:
        require_applicable(read_with(folder, **attributes))
    except NotApplicable as refusal:
        return refusal.reason
    return None


def plane(cosines: list[float]) -> Dataset:
    """Give an item of functional groups with the Plane Orientation Macro (PS3.3 C.7.6.16.2.4)."""
    item = Dataset()
    item.ImageOrientationPatient = cosines
    group = Dataset()
    group.PlaneOrientationSequence = [item]
    return group


@pytest.mark.parametrize(
    ("cosines", "letters", "orientation"),
    [
        (STANDARD, ["L", "F"], Orientation()),
        (MIRRORED, ["R", "F"], Orientation(flip_columns=True)),
        ([1, 0, 0, 0, 0, 1], ["L", "H"], Orientation(flip_rows=True)),
        ([-1, 0, 0, 0, 0, 1], ["R", "H"], Orientation(flip_rows=True, flip_columns=True)),
        ([0, 0, -1, 1, 0, 0], ["F", "L"], Orientation(transpose=True)),
        ([0, 0, 1, -1, 0, 0], ["H", "R"], Orientation(transpose=True, flip_rows=True, flip_columns=True)),
        ([-0.985, 0.174, 0, 0, 0, -1], ["R", "F"], Orientation(flip_columns=True)),
        ([-0.97, 0, 0.26, -0.26, 0, -0.97], ["R", "F"], Orientation(flip_columns=True)),
        ([-1, 0, 0, 0, 0.34, -0.94], ["R", "F"], Orientation(flip_columns=True)),
        (["-1", "-0", "0", "0", "0", "-1.0"], ["R", "F"], Orientation(flip_columns=True)),
    ],
    ids=str,
)
def test_cosines_turn_the_image_as_letters_do(
    cosines: list[float], letters: list[str], orientation: Orientation, tmp_path: Path
) -> None:
    """The nearest axes count; the header says in letters what the cosines say, for every later stage."""
    radiograph = read_with(tmp_path, ImageOrientationPatient=cosines)
    in_letters = read_with(tmp_path, PatientOrientation=letters)

    assert orientation == radiograph.orientation == in_letters.orientation
    assert letters == list(radiograph.header.PatientOrientation)
    np.testing.assert_array_equal(in_letters.pixels, radiograph.pixels)
    require_applicable(radiograph)


@pytest.mark.parametrize("keyword", ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"])
def test_cosines_are_found_in_functional_groups(keyword: str, tmp_path: Path) -> None:
    """Multi-frame objects state them there."""
    radiograph = read_with(tmp_path, kind="SC word", **{keyword: [plane(MIRRORED)]})

    assert Orientation(flip_columns=True) == radiograph.orientation


def test_the_header_of_an_image_that_is_not_judged_has_the_letters_too(tmp_path: Path) -> None:
    """`read_header` states what `read` states: results are checked against it."""
    silent = {"PatientOrientation": "", "ImageOrientationPatient": MIRRORED}
    path = write(chest_radiograph(pixels=PIXELS, **silent), tmp_path / "x.dcm")

    assert list(read_header(path).PatientOrientation) == ["R", "F"]


@pytest.mark.parametrize(
    "cosines",
    [
        [0, 1, 0, 0, 0, -1],
        [0, -1, 0, 0, 0, -1],
        [0, 0, -1, 0, 1, 0],
        [0.3, 0.954, 0, 0, 0, -1],
        [-1, 0, 0, 0, 0.99, 0.14],
    ],
    ids=str,
)
def test_cosines_along_the_depth_of_the_patient_are_a_laterals(cosines: list[float], tmp_path: Path) -> None:
    """Rows or columns that lead to the patient's front or back are none of a frontal view."""
    assert reason(tmp_path, ImageOrientationPatient=cosines) == "lateral-view"


@pytest.mark.parametrize("cosines", [[0.766, 0.643, 0, 0, 0, -1], [-0.8, 0.6, 0, 0, 0, -1]], ids=str)
def test_cosines_far_from_across_are_an_obliques(cosines: list[float], tmp_path: Path) -> None:
    """Thirty degrees and more are no carelessness of the patient."""
    assert reason(tmp_path, ImageOrientationPatient=cosines) == "oblique-view"


@pytest.mark.parametrize(
    ("letters", "cosines", "expected"),
    [
        (["L", "F"], STANDARD, None),
        (["R", "F"], MIRRORED, None),
        (["LP", "F"], STANDARD, None),
        (["L", ""], STANDARD, None),
        (["L", "F"], MIRRORED, "orientation"),
        (["R", "F"], STANDARD, "orientation"),
        (["L", "H"], STANDARD, "orientation"),
        (["F", "L"], STANDARD, "orientation"),
        (["L", "F"], [0, 1, 0, 0, 0, -1], "orientation"),
        (["L", "F"], [0, 0, 0, 0, 0, 0], None),
        (["L", "F"], [1, 0, 0, 0, 1, 0], None),
        (["L", "F"], [7, 7, 7, 7, 7, 7], None),
    ],
    ids=str,
)
def test_two_statements_must_agree(
    letters: list[str], cosines: list[float], expected: str | None, tmp_path: Path
) -> None:
    """Where letters and cosines differ one of them is wrong; what states nothing contradicts nothing."""
    assert reason(tmp_path, PatientOrientation=letters, ImageOrientationPatient=cosines) == expected


@pytest.mark.parametrize(
    ("cosines", "expected"),
    [
        ([0, 0, 0, 0, 0, 0], None),
        ([1, 0, 0, 0, 1, 0], None),
        ([1, 0, 0, 0, -1, 0], None),
        ([-1, 0, 0, 0, 1, 0], None),
        ([-1, 0, 0, 0, -1, 0], None),
        ("", None),
        (["1", "0", "0", "0", "0", "NaN"], None),
        ([2, 0, 0, 0, 0, -2], "orientation"),
        ([1, 0, 0, 1, 0, 0], "orientation"),
        ([-1, 0, 0], "orientation"),
        ([-1, 0, 0, 0, 0, 0], "orientation"),
        ([-0.71, 0, 0.71, 0.71, 0, 0.71], "orientation"),
    ],
    ids=str,
)
def test_degenerate_cosines_tell_no_side(cosines: object, expected: str | None, tmp_path: Path) -> None:
    """Placeholders count as absent; numbers that are no directions are refused, for the side would be a guess."""
    assert reason(tmp_path, ImageOrientationPatient=cosines) == expected
    assert Orientation() == read_with(tmp_path, ImageOrientationPatient=cosines).orientation or expected
