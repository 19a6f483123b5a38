"""The extent of any padding: a rectangle within the grid, the image's own, however it is stored."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from sgseg_dicom.extent import Extent, extent_of

PADDINGS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20))


@st.composite
def ranges(draw: st.DrawFn, *, most: int = 120) -> tuple[int, int, int]:
    """Give a range that is not empty, and the size of what it lies in; it is more than a fiftieth of that."""
    start, length, behind = draw(st.integers(0, most)), draw(st.integers(8, most)), draw(st.integers(0, most))
    return start, start + length, start + length + behind


@given(PADDINGS)
def test_an_extent_lies_in_its_grid_and_is_not_empty(padding):
    """Whatever is padding, all and nothing included."""
    extent = extent_of(padding, padding.shape)

    for (start, stop), size in zip((extent.rows, extent.columns), padding.shape, strict=True):
        assert 0 <= start < stop <= size
    assert np.zeros(padding.shape)[extent.place].shape == extent.shape


@given(PADDINGS)
def test_every_row_and_column_of_an_extent_has_something_of_the_image(padding):
    """It may have padding within, but no line of nothing else, if there is an image at all."""
    extent = extent_of(padding, padding.shape)

    if not padding.all():
        assert (~padding).any(axis=1)[slice(*extent.rows)].all()
        assert (~padding).any(axis=0)[slice(*extent.columns)].all()


@given(ranges(), ranges())
def test_the_extent_of_an_image_in_padding_is_the_image(rows, columns):
    """Wherever it lies."""
    padding = np.ones((rows[2], columns[2]), dtype=np.bool_)
    padding[slice(*rows[:2]), slice(*columns[:2])] = False

    assert extent_of(padding, padding.shape) == Extent(rows[:2], columns[:2])


@given(ranges(), ranges(), st.data())
def test_a_line_beside_the_image_is_no_part_of_it(rows, columns, data):
    """A scratch of one pixel's width across the padding, as long as it is thin beside the grid."""
    padding = np.ones((rows[2] + 60, columns[2] + 60), dtype=np.bool_)
    padding[slice(*rows[:2]), slice(*columns[:2])] = False
    line = data.draw(st.integers(rows[2] + 1, rows[2] + 59))
    padding[line, slice(*columns[:2])] = False

    assert extent_of(padding, padding.shape).columns == columns[:2]


@given(PADDINGS)
def test_a_transposed_image_has_a_transposed_extent(padding):
    """Rows and columns are alike."""
    extent, turned = extent_of(padding, padding.shape), extent_of(padding.T, padding.T.shape)

    assert (turned.rows, turned.columns) == (extent.columns, extent.rows)
