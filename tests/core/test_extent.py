"""Padding and shutters lie around the image: all that is judged, measured and told is of the image alone."""

import dataclasses

import numpy as np
import pytest

from sgseg_dicom.applicability.header_rules import require_applicable
from sgseg_dicom.check import Rule, violations
from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.extent import Extent, extent_of
from sgseg_dicom.findings.measure import measure
from sgseg_dicom.language.language import ENGLISH
from sgseg_dicom.preprocess import preprocess
from sgseg_dicom.reading.pixel_padding import touching_the_edge
from sgseg_dicom.result_kinds import Wanted
from sgseg_dicom.results.encode import encode_results
from sgseg_dicom.zones import Laterality
from tests.support.builders import synthetic_chest
from tests.support.predictions import (
    ALGORITHM,
    IMAGE_LEFT,
    IMAGE_RIGHT,
    MADE_AT,
    ORIENTATIONS,
    both_lungs,
    prediction,
    read_built,
    spot,
    stored_as,
)

CHEST = synthetic_chest((240, 200))
PADDED = np.pad(CHEST, ((10, 20), (150, 0)), constant_values=5000)
"""The image fills the right four sevenths: the grid's middle lies in the patient's right lung."""

WIDE = {"BitsStored": 16, "HighBit": 15, "PixelPaddingValue": 5000}


def padded(orientation=ORIENTATIONS[0]):
    return read_built(stored_as(orientation, PADDED, **WIDE))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_extent_is_the_image_without_what_lies_around_it(orientation):
    """In the display, and on the grid as it is stored."""
    radiograph = padded(orientation)

    assert radiograph.extent == Extent((10, 250), (150, 350))
    stored = np.flatnonzero((orientation.to_stored(PADDED) != 5000).any(axis=1))
    assert radiograph.stored_extent.rows == (stored[0], stored[-1] + 1)
    assert sorted(radiograph.stored_extent.shape) == [200, 240]


@pytest.mark.parametrize("padding", [None, np.zeros((5, 7), bool), np.ones((5, 7), bool)])
def test_without_padding_or_with_nothing_else_the_extent_is_the_grid(padding):
    """Never an empty one."""
    assert extent_of(padding, (5, 7)) == Extent((0, 5), (0, 7))


def test_the_network_sees_the_image_as_if_it_came_without_padding():
    """The same 224 x 224 values, to the last bit of what the window leaves."""
    alone = read_built(pixels=CHEST)
    np.testing.assert_allclose(preprocess(padded()).pixels, preprocess(alone).pixels, atol=1e-5)
    assert preprocess(padded()).padding is None


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_lungs_are_told_apart_by_the_middle_of_the_image(orientation):
    """Not of the grid, which lies in the patient's right lung; the mask is the unpadded image's, moved."""
    finding = measure(both_lungs(), padded(orientation))
    alone = measure(both_lungs(), read_built(stored_as(orientation, CHEST)))

    assert [region.laterality for region in finding.regions] == [Laterality.RIGHT, Laterality.LEFT]
    for found, wanted in zip(finding.regions, alone.regions, strict=True):
        shown = orientation.to_display(found.mask)
        np.testing.assert_array_equal(shown[10:250, 150:], orientation.to_display(wanted.mask))
        assert shown.sum() == wanted.mask.sum()
        assert found.area_share == pytest.approx(wanted.area_share)


@pytest.mark.parametrize("side", [IMAGE_LEFT, IMAGE_RIGHT])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_checker_asks_for_the_sides_of_the_image(orientation, side):
    """Told the extent it passes the results; without it the right lung lies in the grid's left half."""
    radiograph = padded(orientation)
    zones = ["right middle"] if side is IMAGE_LEFT else ["left upper"]
    finding = measure(prediction(spot(*side), zones=zones), radiograph)
    objects, _ = encode_results(
        radiograph, finding, {"archive": Wanted()}, algorithm=ALGORITHM, made_at=MADE_AT, language=ENGLISH
    )

    assert violations(objects, radiograph.header, extent=radiograph.stored_extent) == []
    told = {violation.rule for violation in violations(objects, radiograph.header)}
    assert (Rule.MASK_SIDE in told) == (side is IMAGE_LEFT)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_checker_finds_swapped_sides_in_a_padded_image(orientation):
    """As the image's mirror image would have them."""
    radiograph = padded(orientation)
    finding = measure(both_lungs(), radiograph)
    regions = tuple(
        dataclasses.replace(region, laterality=other.laterality)
        for region, other in zip(finding.regions, reversed(finding.regions), strict=True)
    )
    objects, _ = encode_results(
        radiograph,
        dataclasses.replace(finding, regions=regions),
        {"archive": Wanted()},
        algorithm=ALGORITHM,
        made_at=MADE_AT,
        language=ENGLISH,
    )

    told = {
        violation.rule
        for violation in violations(objects, radiograph.header, extent=radiograph.stored_extent)
    }
    assert {Rule.MASK_SIDE, Rule.OUTLINE_SIDE} <= told


def test_zones_that_a_region_reaches_are_measured_by_the_image():
    """Rows below 27 % of the image are the upper zone, however much padding lies above it."""
    pixels = np.pad(CHEST, ((240, 0), (0, 0)), constant_values=5000)
    top = prediction(spot(40, 60, radius=25), zones=["right middle"])

    finding = measure(top, read_built(pixels=pixels, **WIDE))

    assert finding.reached == measure(top, read_built(pixels=CHEST)).reached
    assert finding.reached[0]


def test_padding_within_the_image_is_image():
    """Air in a lung may have the Pixel Padding Value: it is marked like the rest."""
    pixels = CHEST.copy()
    pixels[60:180, 40:80] = 4095
    pixels[:, :5] = 4095
    radiograph = read_built(pixels=pixels, PixelPaddingValue=4095)

    assert radiograph.padding is not None
    np.testing.assert_array_equal(radiograph.padding, np.indices(CHEST.shape)[1] < 5)
    assert radiograph.pixels[120, 60] == 1
    assert radiograph.pixels[120, 2] == 0
    assert measure(prediction(spot(*IMAGE_LEFT), zones=["right middle"]), radiograph).regions[0].mask[120, 60]


def test_what_touches_an_edge_only_by_a_corner_is_within():
    """Connected are pixels side by side."""
    padding = np.zeros((6, 6), bool)
    padding[0, 0:3] = padding[1, 2] = padding[2, 3] = padding[4, 4] = True
    kept = touching_the_edge(padding)
    assert kept.sum() == 4
    assert not kept[2, 3]


def round_shutter(row, column, radius):
    return {
        "ShutterShape": "CIRCULAR",
        "CenterOfCircularShutter": [row, column],
        "RadiusOfCircularShutter": radius,
    }


def test_a_frame_around_the_padding_does_not_hide_it():
    """A line of other pixels along the edges is neither image nor the end of the padding."""
    framed = PADDED.copy()
    framed[[0, -1]] = framed[:, [0, -1]] = 0
    radiograph = read_built(pixels=framed, **WIDE)

    assert radiograph.extent == Extent((10, 250), (150, 350))
    masks = [region.mask for region in measure(both_lungs(), radiograph).regions]
    assert len(masks) == 2
    assert not any(mask[:, :150].any() for mask in masks)


def test_padding_behind_a_shutters_edge_is_padding():
    """A bright border that the shutter hides lies between it and the edge of the grid."""
    bright = np.pad(PADDED, 10, constant_values=4095)
    rows, columns = bright.shape
    edges = {
        "ShutterShape": "RECTANGULAR",
        "ShutterLeftVerticalEdge": 11,
        "ShutterRightVerticalEdge": columns - 10,
        "ShutterUpperHorizontalEdge": 11,
        "ShutterLowerHorizontalEdge": rows - 10,
    }
    assert read_built(pixels=bright, **WIDE, **edges).extent == Extent((20, 260), (160, 360))


L_SHAPED = [1, 1, 1, 200, 110, 200, 110, 100, 240, 100, 240, 1]
"""Without the left lung's lower half."""


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("side", list(Laterality))
def test_an_image_of_which_a_lung_is_hidden_is_not_judged(side, orientation):
    """What is hidden would read as "no signs of infection"; here padding over the lower half of a lung."""
    pixels = CHEST.copy()
    half = np.s_[120:, 100:] if side is Laterality.LEFT else np.s_[120:, :100]
    pixels[half] = 5000
    with pytest.raises(NotApplicable, match=f"hides the place of the {side.word} lung") as told:
        require_applicable(read_built(stored_as(orientation, pixels, **WIDE)))
    assert told.value.reason == "cut-off"


def test_a_shutter_that_hides_a_lung_by_a_corner_is_refused():
    """No straight cut: the image's extent stays whole."""
    polygon = {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": L_SHAPED}
    with pytest.raises(NotApplicable, match="left lung"):
        require_applicable(read_built(pixels=CHEST, **polygon))


def straight(left=1, right=200, upper=1, lower=240):
    return {
        "ShutterShape": "RECTANGULAR",
        "ShutterLeftVerticalEdge": left,
        "ShutterRightVerticalEdge": right,
        "ShutterUpperHorizontalEdge": upper,
        "ShutterLowerHorizontalEdge": lower,
    }


@pytest.mark.parametrize("cut", [{"right": 100}, {"left": 71}, {"upper": 100}, {"left": 60, "right": 190}])
def test_a_shutter_that_leaves_one_side_only_is_refused(cut):
    """Straight cuts leave no trace in what is left: a lung may lie behind them, and no middle tells the sides."""
    with pytest.raises(NotApplicable, match="leaves one side") as told:
        require_applicable(read_built(pixels=CHEST, **straight(**cut)))
    assert told.value.reason == "cut-off"


@pytest.mark.parametrize("cut", [{}, {"left": 31, "right": 170}, {"left": 20}, {"upper": 30, "lower": 235}])
def test_a_shutter_about_the_middle_is_judged(cut):
    """The beam is centred on the chest."""
    require_applicable(read_built(pixels=CHEST, **straight(**cut)))


def test_a_round_shutter_that_leaves_the_lungs_is_judged():
    """It hides the corners."""
    radiograph = read_built(pixels=synthetic_chest((200, 200)), **round_shutter(100, 100, 100))
    assert radiograph.padding is not None
    require_applicable(radiograph)


def test_an_image_that_is_nearly_all_padding_is_too_small():
    """Its rows and columns are those of the image."""
    pixels = np.full((200, 200), 5000, np.uint16)
    pixels[:100, :50] = CHEST[:100, :50]
    with pytest.raises(NotApplicable, match="100 x 50"):
        require_applicable(read_built(pixels=pixels, **WIDE))


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_a_part_of_a_third_may_be_hidden_and_not_much_of_it(share):
    """
    The lowest third of a lung's place is 78 columns wide here; a fifth is the limit.
    """
    pixels = synthetic_chest((240, 200)).copy()
    pixels[120:, 187 - round(share * 78) :] = 5000
    radiograph = read_built(pixels=pixels, BitsStored=16, HighBit=15, PixelPaddingValue=5000)
    if share > 0.2:
        with pytest.raises(NotApplicable, match="left lung"):
            require_applicable(radiograph)
    else:
        require_applicable(radiograph)
