"""The outline of a component: in pixel corners, closed, around all of it."""

import numpy as np
import pytest

from sgseg_dicom.findings.components import components_of
from sgseg_dicom.results.outline import MAXIMUM_POINTS, outline_of


def outline(mask):
    (part,) = components_of(mask)
    return outline_of(part)


def enclosed(points):
    """Give the area within a closed polyline (shoelace formula), above 0 if clockwise on screen."""
    x, y = points.T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) / 2)


def blob(shape, seed):
    """Draw a connected blob without holes and with a ragged edge."""
    noise = np.random.default_rng(seed).random(shape[1])
    mask = np.zeros(shape, dtype=bool)
    for column, height in enumerate((noise * (shape[0] - 6)).astype(int)):
        mask[3 : 4 + height, column] = True
    return mask


def test_one_pixel_is_outlined_by_its_corners():
    """
    Row 2, column 3: from (3, 2) to (4, 3) in column and row, back to the start (PS3.3 C.18.6.1.1).
    """
    mask = np.zeros((5, 6), dtype=bool)
    mask[2, 3] = True

    assert outline(mask).tolist() == [[3, 2], [4, 2], [4, 3], [3, 3], [3, 2]]


@pytest.mark.parametrize("seed", range(20))
def test_an_outline_encloses_exactly_the_pixels(seed):
    """
    As long as it is short enough not to be thinned, the area within is the number of pixels.
    """
    mask = blob((14, 15), seed)

    assert enclosed(outline(mask)) == mask.sum()


def test_pixels_that_touch_at_a_corner_are_outlined_together():
    """
    One component, one outline.
    """
    mask = np.eye(5, dtype=bool)

    assert enclosed(outline(mask)) == 5


def test_a_hole_is_not_outlined():
    """
    The outer edge only; the SEG has the hole.
    """
    mask = np.ones((9, 9), dtype=bool)
    mask[3:6, 3:6] = False

    assert enclosed(outline(mask)) == 81


def test_a_region_at_the_images_edge_is_outlined_within_the_image():
    """
    Coordinates run from 0 to columns and rows.
    """
    points = outline(np.ones((4, 7), dtype=bool))

    assert points.min(axis=0).tolist() == [0, 0]
    assert points.max(axis=0).tolist() == [7, 4]


def test_a_long_outline_is_thinned_and_still_true():
    """
    At most 400 points and the one that closes it; the area of a large disc changes by less than a thousandth.
    """
    y, x = np.mgrid[:2000, :2000]
    mask = (y - 1000) ** 2 + (x - 900) ** 2 < 800**2

    points = outline(mask)

    assert len(points) <= MAXIMUM_POINTS + 1
    assert points[0].tolist() == points[-1].tolist()
    assert enclosed(points) == pytest.approx(mask.sum(), rel=1e-3)
