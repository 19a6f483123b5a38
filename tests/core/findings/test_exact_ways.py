"""The fast ways over large grids give what the plain ways give, to the last pixel."""

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from sgseg_dicom.findings.components import components_of
from sgseg_dicom.findings.enlarged_mask import reaches
from sgseg_dicom.model_records import INPUT_SIZE
from sgseg_dicom.preprocess import enlarge, shrink
from tests.support.predictions import spot

SHAPES = [(1536, 1400), (701, 1333), (300, 223), (97, 224), (64, 64), (225, 1000)]


def smooth(cells, shape=(INPUT_SIZE, INPUT_SIZE), *, seed=0):
    """Draw a random landscape of so many cells, 0 to 1."""
    cells = np.random.default_rng(seed).random((cells, cells)).astype(np.float32)
    return np.asarray(Image.fromarray(cells).resize(shape[::-1], Image.Resampling.BICUBIC)).clip(0, 1)


PROBABILITIES = {
    "spots": np.maximum(spot(100, 60), spot(90, 160, radius=40)),
    "many parts": smooth(40),
    "few parts": smooth(6, seed=1),
    "noise": np.random.default_rng(2).random((INPUT_SIZE, INPUT_SIZE)).astype(np.float32),
    "plateaus": (smooth(10, seed=3) > 0.5).astype(np.float32),
    "empty": np.zeros((INPUT_SIZE, INPUT_SIZE), np.float32),
    "full": np.ones((INPUT_SIZE, INPUT_SIZE), np.float32),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("drawn", PROBABILITIES)
def test_a_mask_is_that_of_the_enlarged_probability(shape, drawn):
    """Pixels that are not interpolated because their surroundings decide are decided rightly, also at the edges."""
    probability = PROBABILITIES[drawn]
    for threshold in (np.float32(0.35), np.float32(0.5), np.float32(0.62)):
        expected = enlarge(probability, shape) >= threshold

        np.testing.assert_array_equal(reaches(probability, shape, threshold), expected)


def test_a_value_that_is_the_threshold_reaches_it():
    """On a plateau of the threshold itself nothing is lost by rounding."""
    probability = np.full((INPUT_SIZE, INPUT_SIZE), np.float32(0.37))

    assert reaches(probability, (1000, 999), np.float32(0.37)).all()
    assert not reaches(probability, (1000, 999), np.nextafter(np.float32(0.37), np.float32(1))).any()


def components_by_simpleitk(mask):
    """Split a mask as all versions up to 0.3.0 did: (rows, columns, mask, size), the largest first."""
    used_rows, used_columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not used_rows.size:
        return []
    top, left = int(used_rows[0]), int(used_columns[0])
    box = mask[top : used_rows[-1] + 1, left : used_columns[-1] + 1]
    labels = sitk.ConnectedComponent(sitk.GetImageFromArray(box.astype(np.uint8)), True)
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.Execute(labels)
    grid, parts = sitk.GetArrayViewFromImage(labels), []
    for label in shapes.GetLabels():
        x, y, width, height = shapes.GetBoundingBox(label)
        part = grid[y : y + height, x : x + width] == label
        place = slice(top + y, top + y + height), slice(left + x, left + x + width)
        parts.append((*place, part, int(shapes.GetNumberOfPixels(label))))
    return sorted(parts, key=lambda part: -part[3])


def spiral(side=121):
    """Draw one line that winds to the middle: its two ends meet only after many rows."""
    mask = np.zeros((side, side), dtype=bool)
    for edge in range(0, side // 2, 4):
        far = side - 1 - edge
        mask[edge, edge : far + 1] = mask[edge : far + 1, far] = mask[far, edge : far + 1] = True
        mask[edge + 4 : far + 1, edge] = mask[edge + 4, edge : edge + 5] = True
    return mask


def masks():
    """Give small random masks of every density, smooth ones with several parts, and difficult shapes."""
    random = np.random.default_rng(4)
    for number in range(150):
        shape = tuple(random.integers(1, 48, 2))
        yield random.random(shape) > (0.2, 0.4, 0.6, 0.8, 0.95)[number % 5]
    for seed in range(8):
        yield smooth(9, (160, 230), seed=seed) > 0.55
    yield spiral()
    yield ~spiral()
    yield np.eye(40, dtype=bool)
    yield np.eye(40, dtype=bool)[::-1]
    yield np.ones((1, 1), dtype=bool)


def test_components_are_those_of_simpleitk_in_the_same_order():
    """Parts of one size keep the order of their first pixels: results of the same image stay the same bytes."""
    for mask in masks():
        found, expected = components_of(mask), components_by_simpleitk(mask)

        assert len(found) == len(expected)
        for part, (rows, columns, drawn, size) in zip(found, expected, strict=True):
            assert (part.rows, part.columns, part.size) == (rows, columns, size)
            assert part.mask.dtype == np.bool_
            np.testing.assert_array_equal(part.mask, drawn)


@pytest.mark.parametrize("shape", [(1500, 1400), (1400, 1100), (1001, 3000), (2200, 1000), (1434, 1434)])
def test_a_large_image_shrinks_as_a_whole_one(shape):
    """In blocks, with the same result bit by bit: the network sees what it saw before."""
    pixels = np.random.default_rng(5).random(shape, dtype=np.float32)
    whole = Image.fromarray(pixels).resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.BILINEAR)

    np.testing.assert_array_equal(shrink(pixels), np.asarray(whole))
