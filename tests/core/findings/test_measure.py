"""Prediction -> Finding: the mask on the stored grid, the patient's lungs, areas, and the sentence."""

import dataclasses

import numpy as np
import pytest

from sgseg_dicom.findings.components import components_of
from sgseg_dicom.findings.measure import measure
from sgseg_dicom.findings.sides import split_at_midline
from sgseg_dicom.preprocess import enlarge
from sgseg_dicom.zones import Laterality
from tests.support.builders import synthetic_chest
from tests.support.predictions import (
    IMAGE_LEFT,
    IMAGE_RIGHT,
    ORIENTATIONS,
    both_lungs,
    prediction,
    read_built,
    spot,
    stored_as,
)

NET_SHAPE = (224, 224)
SHAPES = [(256, 224), (301, 203), (97, 131), (1201, 999)]


def radiograph_of_shape(shape, **keywords):
    return read_built(pixels=synthetic_chest(shape), **keywords)


def union(finding):
    return np.logical_or.reduce([region.mask for region in finding.regions])


def test_on_the_networks_own_grid_the_mask_is_the_predictions():
    """
    224 x 224 in the standard display: not one pixel differs, nothing small is dropped.
    """
    predicted = prediction(spot(*IMAGE_LEFT), spot(20, 200, radius=0.6), zones=["right middle"])

    finding = measure(predicted, radiograph_of_shape(NET_SHAPE))

    np.testing.assert_array_equal(union(finding), predicted.mask)


@pytest.mark.parametrize("shape", SHAPES)
def test_on_another_grid_the_mask_is_the_enlarged_probability_at_the_threshold(shape):
    """
    Reproducible from the prediction alone, whatever the size.
    """
    predicted = dataclasses.replace(both_lungs(), threshold=0.35)

    finding = measure(predicted, radiograph_of_shape(shape))

    np.testing.assert_array_equal(union(finding), enlarge(predicted.mask_probability, shape) >= 0.35)


@pytest.mark.parametrize("shape", [NET_SHAPE, *SHAPES])
def test_without_an_infected_zone_there_is_no_region(shape):
    """
    The prediction's mask is empty then; the probability behind it must not come back on a larger grid.
    """
    finding = measure(prediction(spot(*IMAGE_LEFT), zones=[]), radiograph_of_shape(shape))

    assert finding.regions == ()
    assert finding.sentence == "No signs of infection found; nothing else was judged."


def test_a_zone_without_a_mask_stays_in_the_sentence():
    """
    Zones and mask may disagree; neither is corrected silently.
    """
    finding = measure(prediction(zones=["left lower"]), radiograph_of_shape(NET_SHAPE))

    assert finding.regions == ()
    assert finding.sentence == "Unilateral pulmonary infection, one infected area, lower left lung."


def test_the_images_left_is_the_patients_right_and_comes_first():
    """
    Standard display: the reader faces the patient.
    """
    finding = measure(both_lungs(), radiograph_of_shape(NET_SHAPE))

    right, left = finding.regions
    assert (right.laterality, left.laterality) == (Laterality.RIGHT, Laterality.LEFT)
    assert right.mask[IMAGE_LEFT]
    assert left.mask[IMAGE_RIGHT]
    assert not right.mask[:, 112:].any()
    assert not left.mask[:, :112].any()


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_mask_lies_over_the_same_pixels_however_the_image_is_stored(orientation):
    """
    The stored mask, turned to the display, is the same for every orientation, and so is the patient's side.
    """
    shown = synthetic_chest((256, 224))
    standard = measure(both_lungs(), read_built(pixels=shown))

    radiograph = read_built(stored_as(orientation, shown))
    regions = measure(both_lungs(), radiograph).regions

    assert orientation == radiograph.orientation
    for region, expected in zip(regions, standard.regions, strict=True):
        assert expected.laterality is region.laterality
        assert radiograph.stored_shape == region.mask.shape
        np.testing.assert_array_equal(orientation.to_display(region.mask), expected.mask)


def test_a_component_that_only_reaches_over_the_midline_stays_whole():
    """
    At least 90 % of it on one side: cutting it would invent a second infected lung.
    """
    mask = np.zeros((10, 100), dtype=bool)
    mask[2:8, 15:53] = True  # 35 of 38 columns on the image's left

    left, right, _ = split_at_midline(mask)

    np.testing.assert_array_equal(left, mask)
    assert not right.any()


def test_a_component_in_both_halves_is_cut_at_the_midline():
    """
    Less than 90 % on one side: one region for each lung, nothing lost, nothing twice.
    """
    mask = np.zeros((10, 101), dtype=bool)
    mask[2:8, 20:80] = True

    left, right, _ = split_at_midline(mask)

    assert not left[:, 50:].any()
    assert not right[:, :50].any()
    np.testing.assert_array_equal(left ^ right, mask)


@pytest.mark.parametrize("side", list(Laterality), ids=lambda side: side.word)
def test_across_the_midline_a_component_belongs_to_the_only_lung_that_is_named(side):
    """
    A patient off the centre: the sentence names one lung, and no region appears in the other.
    """
    across = spot(112, 107 if side is Laterality.RIGHT else 117, radius=20)
    radiograph = radiograph_of_shape(NET_SHAPE)

    (region,) = measure(prediction(across, zones=[f"{side.word} lower"]), radiograph).regions

    assert region.laterality is side


def test_a_component_mostly_in_the_other_half_is_cut_whatever_the_sentence_names():
    """
    The sentence does not draw what lies mostly in the other lung over to the named one.
    """
    mostly_left_lung = spot(112, 120, radius=20)
    radiograph = radiograph_of_shape(NET_SHAPE)

    regions = measure(prediction(mostly_left_lung, zones=["right lower"]), radiograph).regions

    assert [region.laterality for region in regions] == [Laterality.RIGHT, Laterality.LEFT]


def test_what_lies_in_the_other_half_is_not_drawn_over_to_the_named_lung():
    """
    A region clearly on the image's right stays the patient's left, whatever the sentence says.
    """
    predicted = prediction(spot(*IMAGE_RIGHT), zones=["right lower"])

    (region,) = measure(predicted, radiograph_of_shape(NET_SHAPE)).regions

    assert region.laterality is Laterality.LEFT


def test_each_component_is_judged_by_itself():
    """
    A large one on the left does not draw a small one on the right along.
    """
    mask = np.zeros((40, 100), dtype=bool)
    mask[:, 5:45] = True
    mask[10:12, 70:75] = True

    left, right, _ = split_at_midline(mask)

    assert left.sum() == 1600
    assert right.sum() == 10


def test_the_area_is_pixels_times_spacing():
    """
    Rows and columns have their own spacing; the share needs none.
    """
    radiograph = radiograph_of_shape(NET_SHAPE, ImagerPixelSpacing=[0.5, 0.25])
    predicted = prediction(spot(*IMAGE_LEFT), zones=["right middle"])

    (region,) = measure(predicted, radiograph).regions

    assert predicted.mask.sum() * 0.125 == pytest.approx(region.area_mm2)
    assert predicted.mask.mean() == pytest.approx(region.area_share)


@pytest.mark.parametrize("spacing", [None, [0, 0]])
def test_without_a_spacing_there_is_no_area_in_millimetres(spacing):
    """
    Absent or zero: nothing is measured and nothing divided.
    """
    regions = measure(both_lungs(), radiograph_of_shape(NET_SHAPE, ImagerPixelSpacing=spacing)).regions

    assert [region.area_mm2 for region in regions] == [None, None]
    assert all(region.area_share > 0 for region in regions)


def test_components_come_largest_first_and_put_together_are_the_mask():
    """
    Pixels that touch at a corner are one component.
    """
    mask = np.zeros((6, 8), dtype=bool)
    mask[1, 1] = mask[2, 2] = True
    mask[4:6, 5:8] = True

    parts = components_of(mask)

    again = np.zeros_like(mask)
    for part in parts:
        again[part.rows, part.columns] |= part.mask
    assert [part.size for part in parts] == [6, 2]
    np.testing.assert_array_equal(again, mask)


def test_an_empty_mask_has_no_components():
    """
    No component, no error.
    """
    assert components_of(np.zeros((3, 3), dtype=bool)) == []
