"""A frame of one value around an image is no image, though nobody declares it."""

import numpy as np
import pytest

from sgseg_dicom.findings.measure import measure
from sgseg_dicom.preprocess import preprocess
from sgseg_dicom.reading.read import read
from sgseg_dicom.reading.undeclared_borders import shown_within_border
from sgseg_dicom.zones import Laterality
from tests.support.builders import synthetic_chest, write
from tests.support.predictions import ORIENTATIONS, both_lungs, read_built, stored_as

CHEST = synthetic_chest((300, 240))


def framed(top=0, bottom=0, left=0, right=0, value=0):
    """Put the chest into a frame."""
    return np.pad(CHEST, ((top, bottom), (left, right)), constant_values=value)


@pytest.mark.parametrize("value", [0, 4095, 700])
@pytest.mark.parametrize(
    "widths", [{"left": 60}, {"top": 40, "bottom": 20}, dict.fromkeys(("top", "bottom", "left", "right"), 30)]
)
def test_a_frame_is_found_whatever_its_value(widths, value):
    """At one side or at all."""
    top, left = widths.get("top", 0), widths.get("left", 0)
    expected = np.zeros(framed(**widths).shape, dtype=bool)
    expected[top : top + 300, left : left + 240] = True

    np.testing.assert_array_equal(shown_within_border(framed(**widths, value=value)), expected)


def test_the_sides_of_a_frame_may_differ():
    """Black above, white beside."""
    codes = np.pad(framed(top=40), ((0, 0), (0, 50)), constant_values=4095)

    shown = shown_within_border(codes)

    assert shown.sum() == CHEST.size
    assert shown[40:, :240].all()


def test_a_letter_in_a_frame_does_not_hide_it():
    """Markers are stamped there."""
    codes = framed(left=60)
    codes[100:105, 20:30] = 4000

    assert shown_within_border(codes).sum() == CHEST.size


@pytest.mark.parametrize(
    "codes",
    [
        CHEST,
        framed(left=2),
        np.zeros((300, 240), dtype=np.uint16),
        framed(left=600),
        framed(left=60) + np.random.default_rng(0).integers(0, 3, (300, 300)).astype(np.uint16),
    ],
    ids=["none", "an edge", "blank", "a small picture", "noise, as in air"],
)
def test_what_is_no_frame_stays(codes):
    """Nothing is cut off that might be image."""
    assert shown_within_border(codes) is None


def test_a_frame_does_not_change_what_the_network_sees():
    """As with padding that is declared."""
    plain, within = (preprocess(read_built(pixels=pixels)) for pixels in (CHEST, framed(left=80, top=30)))

    np.testing.assert_allclose(within.pixels, plain.pixels, atol=1e-3)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_middle_of_what_a_frame_leaves_tells_the_lungs_apart(orientation, tmp_path):
    """With a broad frame at one side the grid's middle lies in a lung, and half of it was of the other side."""
    within, alone = (
        measure(both_lungs(), read(write(stored_as(orientation, pixels), tmp_path / "image.dcm")))
        for pixels in (framed(left=120), CHEST)
    )

    assert [region.laterality for region in within.regions] == [Laterality.RIGHT, Laterality.LEFT]
    for one, other in zip(within.regions, alone.regions, strict=True):
        assert one.area_share == pytest.approx(other.area_share, rel=0.02)
