"""
Find blocks of a DCT process that are displaced, or a shade too bright or dark, in decoded values.

A damaged part can hold as many blocks as a whole one. But the grey of each block is coded as the difference to the
one before it. So what follows the damage is off by the same amount, up to the image's end: right of the damage from
its row of blocks on, left of it from the next row on. A step like a stair crosses the whole width, on the borders of
blocks. A collimator's edge is straight. An enlarged image has steps everywhere, so within blocks too.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 8
_EVERY = 4
"""Columns that are taken: their steps are averaged within a block anyway."""

_LEAST_BLOCKS = 6
_LEAST_SHARE = 0.08
"""Share of the width that each half of the stair has at least: one at the edge of the grid may be a straight edge."""

_MOST = 5.0
"""Height of a stair in units of the usual step between two blocks."""

_TIMES_WITHIN = 3.0
"""How many times higher it is than any within blocks."""

_LEAST_ALONG = 0.75
"""Share of the width on which there is a step of that sign: damage shifts all that follows, an edge in the image part."""

_CLIPPED = 16.0
"""In the same units: no single edge decides."""

_LEAST_USUAL = 0.5
_NORMAL = 1.4826  # of the median absolute deviation to a standard deviation


def has_displaced_blocks(values: NDArray[Any]) -> bool:
    """Whether a stair-like step crosses *values* (rows, columns) along the borders of blocks."""
    if min(values.shape) < (_LEAST_BLOCKS + 1) * _BLOCK:
        return False
    height = _highest_stair(values)
    return height > _MOST and height > _TIMES_WITHIN * _highest_stair(values[_BLOCK // 2 :])


def _highest_stair(values: NDArray[Any]) -> float:
    """Give the height of the highest stair of a block's height, in units of the usual step."""
    columns = values.shape[1] // _BLOCK
    steps = _steps(values, columns)
    usual = max(_NORMAL * float(np.median(np.abs(steps))), _LEAST_USUAL)
    sums = np.concatenate([[0.0], np.cumsum(np.clip(steps / usual, -_CLIPPED, _CLIPPED))])
    begin = np.arange(steps.size - columns)
    column = begin % columns
    row_end = begin - column + columns
    right = (sums[row_end] - sums[begin]) / (columns - column)
    left = (sums[begin + columns] - sums[row_end]) / np.maximum(column, 1)
    edge = _LEAST_SHARE * columns
    is_stair = (column >= edge) & (column <= columns - edge) & (right * left > 0)
    heights = np.where(is_stair, np.minimum(np.abs(right), np.abs(left)), 0)
    highest = int(heights.argmax())
    along = steps[highest : highest + columns] * np.sign(right[highest])
    return float(heights[highest]) if (along > usual).mean() >= _LEAST_ALONG else 0.0


def _steps(values: NDArray[Any], columns: int) -> NDArray[np.float64]:
    """Give how much each block begins higher than the one above it ends, beyond their own slopes; row after row."""
    rows = values.shape[0] // _BLOCK
    two_above, above, below, two_below = (
        values[row::_BLOCK, : columns * _BLOCK : _EVERY][: rows - 1].astype(np.int32)
        for row in (_BLOCK - 2, _BLOCK - 1, _BLOCK, _BLOCK + 1)
    )
    twice = 3 * (below - above) - (two_below - two_above)
    return twice.reshape(rows - 1, columns, _BLOCK // _EVERY).mean(axis=2).ravel() / 2
