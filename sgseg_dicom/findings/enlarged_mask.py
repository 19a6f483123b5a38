"""
Where an enlarged probability reaches a threshold, without enlarging it.

Between four neighbouring values of the network's grid, linear interpolation gives nothing above the greatest and
nothing below the least of them. So most of the image is known from the network's grid alone: pixels are interpolated
only where of the four values around them some reach the threshold and others do not, that is along the outline.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_AT_ONCE = 1 << 18
"""Pixels that are interpolated at once; each takes some 100 bytes meanwhile."""


class _Places(NamedTuple):
    """
    Where the lines of the large grid lie in the small one, along one axis.

    Attributes:
        before: for each line of the large grid, the line of the small one at or before it.
        after: the line behind it; the same one at the edges, which are held.
        share: how far it is from *before* to *after*, 0 to 1.
    """

    before: NDArray[np.intp]
    after: NDArray[np.intp]
    share: NDArray[np.float64]


def reaches(
    probability: NDArray[np.float32], shape: tuple[int, int], threshold: np.float32
) -> NDArray[np.bool_]:
    """
    Give `sgseg_dicom.preprocess.enlarge` (*probability*, *shape*) >= *threshold*, bool (rows, columns) of *shape*.

    Interpolated in float64 and rounded to float32 before it is compared, as there.
    """
    rows, columns = (_places(few, many) for few, many in zip(probability.shape, shape, strict=True))
    above = probability >= threshold
    # What the four values around a place say: all of them reach the threshold, or some do.
    pair_all = above & above[_following(len(above))]
    pair_some = above | above[_following(len(above))]
    following = _following(above.shape[1])
    surely, perhaps = pair_all & pair_all[:, following], pair_some | pair_some[:, following]
    return _filled(surely, perhaps & ~surely, probability, threshold, rows, columns)


def _places(few: int, many: int) -> _Places:
    """Line up pixel centres of both grids, which cover the same area."""
    place = np.clip((np.arange(many) + 0.5) * (few / many) - 0.5, 0, few - 1)
    before = np.minimum(place.astype(np.intp), few - 1)
    return _Places(before, np.minimum(before + 1, few - 1), place - before)


def _following(length: int) -> NDArray[np.intp]:
    return np.minimum(np.arange(1, length + 1), length - 1)


def _filled(
    surely: NDArray[np.bool_],
    unsure: NDArray[np.bool_],
    probability: NDArray[np.float32],
    threshold: np.float32,
    rows: _Places,
    columns: _Places,
) -> NDArray[np.bool_]:
    mask = np.zeros((len(rows.before), len(columns.before)), dtype=np.bool_)
    starts = np.searchsorted(rows.before, np.arange(len(surely) + 1))
    for line in np.flatnonzero((surely | unsure).any(axis=1)):
        within = slice(starts[line], starts[line + 1])
        mask[within] = surely[line][columns.before]
        across = np.flatnonzero(unsure[line][columns.before])
        for first in range(within.start, within.stop, step := max(1, _AT_ONCE // max(1, across.size))):
            down = np.arange(first, min(first + step, within.stop))
            mask[np.ix_(down, across)] = _interpolated(probability, rows, columns, down, across) >= threshold
    return mask


def _interpolated(
    probability: NDArray[np.float32],
    rows: _Places,
    columns: _Places,
    down: NDArray[np.intp],
    across: NDArray[np.intp],
) -> NDArray[np.float32]:
    """Interpolate where rows *down* and columns *across*, which lie within one line of the small grid, meet."""
    values = probability.astype(np.float64, copy=False)
    upper, lower = values[rows.before[down[0]]], values[rows.after[down[0]]]
    before, after, share = columns.before[across], columns.after[across], columns.share[across]
    at_top = upper[before] + (upper[after] - upper[before]) * share
    at_bottom = lower[before] + (lower[after] - lower[before]) * share
    values = at_top + (at_bottom - at_top) * rows.share[down][:, None]
    return np.asarray(values, dtype=np.float32)
