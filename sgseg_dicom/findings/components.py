"""The connected parts of a mask, the largest first."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Component:
    """
    One connected part of a mask; pixels that touch at a corner are connected.

    Attributes:
        rows, columns: where its bounding box lies in the mask.
        mask: bool, of the bounding box's shape.
        size: number of pixels, at least 1.
    """

    rows: slice
    columns: slice
    mask: NDArray[np.bool_]
    size: int


class _Runs(NamedTuple):
    """
    The runs of marked pixels of all rows, row by row.

    Attributes:
        row: of each run.
        start, stop: its columns, half-open.
    """

    row: NDArray[np.intp]
    start: NDArray[np.intp]
    stop: NDArray[np.intp]


def components_of(mask: NDArray[np.bool_]) -> list[Component]:
    """Split a mask (rows, columns) into its connected components, the largest first; none if it is empty."""
    runs = _runs_of(mask)
    if not runs.row.size:
        return []
    first = _first_of_component(runs, mask.shape[1])
    component = np.unique(first, return_inverse=True)[1]  # in the order of the components' first pixels
    by_component = np.split(np.argsort(component, kind="stable"), np.cumsum(np.bincount(component))[:-1])
    parts = [_component(mask, runs, own) for own in by_component]
    return sorted(parts, key=lambda part: -part.size)


def _runs_of(mask: NDArray[np.bool_]) -> _Runs:
    """Find the runs; rows and columns without a mark cost next to nothing."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        none = np.zeros(0, dtype=np.intp)
        return _Runs(none, none, none)
    top, left = rows[0], columns[0]
    box = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    edges = np.zeros((box.shape[0], box.shape[1] + 1), dtype=np.bool_)
    edges[:, 0], edges[:, -1] = box[:, 0], box[:, -1]
    np.not_equal(box[:, 1:], box[:, :-1], out=edges[:, 1:-1])
    row, column = np.divmod(np.flatnonzero(edges), edges.shape[1])  # a start and a stop take turns
    return _Runs(row[::2] + top, column[::2] + left, column[1::2] + left)


def _first_of_component(runs: _Runs, columns: int) -> NDArray[np.intp]:
    """Give for each run the first run that is connected with it."""
    # Run a touches run b of the next row where a.start <= b.stop and b.start <= a.stop: at a corner is enough.
    width = columns + 2
    starts, stops = runs.row * width + runs.start, runs.row * width + runs.stop
    low = np.searchsorted(stops, starts + width, side="left")
    high = np.searchsorted(starts, stops + width, side="right")
    counts = np.maximum(high - low, 0)
    upper = np.repeat(np.arange(len(starts)), counts)
    lower = np.arange(counts.sum()) + np.repeat(low - (np.cumsum(counts) - counts), counts)
    first = np.arange(len(starts))
    while True:
        least = np.minimum(first[upper], first[lower])
        joined = first.copy()
        np.minimum.at(joined, first[upper], least)
        np.minimum.at(joined, first[lower], least)
        while not np.array_equal(joined, following := joined[joined]):
            joined = following
        if np.array_equal(joined, first):
            return first
        first = joined


def _component(mask: NDArray[np.bool_], runs: _Runs, own: NDArray[np.intp]) -> Component:
    """Draw the runs *own* of one component."""
    row, start, stop = runs.row[own], runs.start[own], runs.stop[own]
    top, bottom = int(row[0]), int(row[-1]) + 1
    left, right = int(start.min()), int(stop.max())
    size = int((stop - start).sum())
    rows, columns = slice(top, bottom), slice(left, right)
    if size == np.count_nonzero(mask[rows, columns]):
        return Component(rows=rows, columns=columns, mask=mask[rows, columns].copy(), size=size)
    width = right - left + 1
    steps = np.zeros((bottom - top) * width, dtype=np.int8)
    steps[(row - top) * width + start - left] = 1
    steps[(row - top) * width + stop - left] -= 1
    drawn = np.cumsum(steps, dtype=np.int8, out=steps).view(np.bool_).reshape(bottom - top, width)[:, :-1]
    return Component(rows=rows, columns=columns, mask=np.ascontiguousarray(drawn), size=size)
