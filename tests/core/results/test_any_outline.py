"""Outline against mask: whatever the shape, the outline that is drawn again is the mask it was made of."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from sgseg_dicom.findings.components import Component, components_of
from sgseg_dicom.results.outline import MAXIMUM_POINTS, outline_of

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=16)).filter(np.any)
"""Any pattern: dust, holes, parts that touch at corners or at the image's edge."""


@st.composite
def discs(draw: st.DrawFn) -> NDArray[np.bool_]:
    """Draw one or two large discs, which leave no hole: their outlines are thinned."""
    mask = np.zeros((300, 260), dtype=np.bool_)
    y, x = np.mgrid[:300, :260]
    for _ in range(draw(st.integers(1, 2))):
        row, column, radius = draw(st.integers(0, 299)), draw(st.integers(0, 259)), draw(st.integers(60, 150))
        mask |= (y - row) ** 2 + (x - column) ** 2 <= radius**2
    return mask


def enclosed(points: NDArray[np.float32]) -> float:
    """Give the area within a closed polyline (shoelace formula), above 0 if clockwise on screen."""
    x, y = points.astype(np.float64).T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) / 2)


def drawn(points: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill an outline of steps along pixels' edges: beyond each step down or up, inside and outside change places."""
    inside = np.zeros((shape[0], shape[1] + 1), dtype=np.bool_)
    for (x, y), (_, next_y) in zip(points[:-1].astype(int), points[1:].astype(int), strict=True):
        if y != next_y:
            inside[min(y, next_y), x:] ^= True
    return inside[:, :-1]


def without_holes(part: Component, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Give all that the image's outside does not reach from pixel to pixel, edge by edge."""
    mask = np.zeros(shape, dtype=np.bool_)
    mask[part.rows, part.columns] = part.mask
    free, outside = (
        np.pad(~mask, 1, constant_values=True),
        np.zeros((shape[0] + 2, shape[1] + 2), dtype=np.bool_),
    )
    outside[0, 0] = True
    while True:
        grown = outside.copy()
        grown[1:] |= outside[:-1]
        grown[:-1] |= outside[1:]
        grown[:, 1:] |= outside[:, :-1]
        grown[:, :-1] |= outside[:, 1:]
        grown &= free
        if (grown == outside).all():
            return ~outside[1:-1, 1:-1]
        outside = grown


@given(MASKS)
def test_an_outline_that_is_filled_is_its_component_without_holes(mask):
    """Pixel for pixel, and the area is their number; all parts together have all pixels of the mask."""
    everything = np.zeros_like(mask)
    for part in components_of(mask):
        points, expected = outline_of(part), without_holes(part, mask.shape)

        np.testing.assert_array_equal(drawn(points, mask.shape), expected)
        assert enclosed(points) == expected.sum()
        assert points[0].tolist() == points[-1].tolist()
        everything |= expected

    assert not (mask & ~everything).any()


@given(discs())
def test_a_thinned_outline_keeps_the_area_and_stays_in_the_image(mask):
    """At most 400 points and the one that closes it; the area of what is as large as a lung changes by 1 %."""
    for part in components_of(mask):
        points = outline_of(part)

        assert len(points) <= MAXIMUM_POINTS + 1
        assert abs(enclosed(points) - part.size) <= 0.01 * part.size
        assert (points >= 0).all()
        assert (points <= [mask.shape[1], mask.shape[0]]).all()
