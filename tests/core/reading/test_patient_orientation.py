"""Patient Orientation (0020,0020): the standard display, and the way back to the stored grid."""

from pathlib import Path

import numpy as np
import pytest

from sgseg_dicom.reading.read import read
from sgseg_dicom.records import Orientation
from tests.support.builders import chest_radiograph, synthetic_chest, write

STANDARD = synthetic_chest((96, 80))
NO_WINDOW = {"WindowCenter": None, "WindowWidth": None}
# How the standard display is stored for each (direction along a row, direction along a column).
STORED = {
    ("L", "F"): STANDARD,
    ("R", "F"): STANDARD[:, ::-1],
    ("L", "H"): STANDARD[::-1],
    ("R", "H"): STANDARD[::-1, ::-1],
    ("F", "L"): STANDARD.T,
    ("F", "R"): STANDARD[:, ::-1].T,
    ("H", "L"): STANDARD[::-1].T,
    ("H", "R"): STANDARD[::-1, ::-1].T,
}


@pytest.mark.parametrize("directions", STORED, ids="\\".join)
def test_every_orientation_comes_to_the_same_display(directions: tuple[str, str], tmp_path: Path) -> None:
    """The patient's right is at the left edge and the head at the top, however the image is stored."""
    ds = chest_radiograph(pixels=STORED[directions], PatientOrientation=list(directions), **NO_WINDOW)

    radiograph = read(write(ds, tmp_path / "x.dcm"))

    expected = (STANDARD - STANDARD.min()) / np.ptp(STANDARD)
    np.testing.assert_allclose(radiograph.pixels, expected, atol=1e-6)


@pytest.mark.parametrize("directions", STORED, ids="\\".join)
def test_a_mask_goes_back_over_the_stored_pixels(directions: tuple[str, str], tmp_path: Path) -> None:
    """What was marked on the display lies over the same pixels of the stored grid."""
    stored = STORED[directions].copy()
    stored[5:9, 11:20] = 4095  # brighter than all else
    ds = chest_radiograph(pixels=stored, PatientOrientation=list(directions), **NO_WINDOW)
    radiograph = read(write(ds, tmp_path / "x.dcm"))

    mask = radiograph.orientation.to_stored(radiograph.pixels == 1)

    assert radiograph.stored_shape == mask.shape == stored.shape
    np.testing.assert_array_equal(stored == 4095, mask)


def test_padding_is_turned_with_the_image(tmp_path: Path) -> None:
    """Padding lies where the padded pixels are displayed."""
    stored = STORED["H", "R"].copy()
    stored[:, :7] = 0
    ds = chest_radiograph(pixels=stored, PatientOrientation=["H", "R"], PixelPaddingValue=0, **NO_WINDOW)

    radiograph = read(write(ds, tmp_path / "x.dcm"))

    assert radiograph.padding is not None
    np.testing.assert_array_equal(stored == 0, radiograph.orientation.to_stored(radiograph.padding))


@pytest.mark.parametrize(
    "value", [None, "", "L", "F", "FOO", ["FOO", "BAR"], ["L", "R"], ["F", "H"], ["L", ""]]
)
def test_without_a_usable_orientation_the_standard_display_is_assumed(value: object, tmp_path: Path) -> None:
    """Absent, odd or contradicting values turn nothing."""
    ds = chest_radiograph(pixels=STANDARD, PatientOrientation=value)

    assert read(write(ds, tmp_path / "x.dcm")).orientation == Orientation()


@pytest.mark.parametrize("value", [["RF", "FL"], ["RA", "F"], ["RFA", "FLP"], "R", ["r", "f"]])
def test_the_main_direction_decides(value: object, tmp_path: Path) -> None:
    """Of an oblique direction the first letter counts; a lone R names the side all the same."""
    ds = chest_radiograph(pixels=STANDARD, PatientOrientation=value)

    assert read(write(ds, tmp_path / "x.dcm")).orientation == Orientation(flip_columns=True)
