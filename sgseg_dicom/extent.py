"""Where the image lies in its grid: around it there may be padding, or what a shutter hides."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LINE = 0.02
"""Share of a row or column up to which it is a line or dust, and not the image."""


@dataclass(frozen=True, slots=True)
class Extent:
    """
    The rectangle that holds the image.

    Attributes:
        rows, columns: half-open ranges of the grid; neither is empty.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns it has."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    @property
    def place(self) -> tuple[slice, slice]:
        """Index of it in an array of the grid."""
        return slice(*self.rows), slice(*self.columns)


def extent_of(padding: NDArray[np.bool_] | None, shape: tuple[int, int]) -> Extent:
    """Find the image in a grid of *shape*; all of it where there is no *padding*, or nothing else."""
    if padding is None or padding.all():
        return Extent((0, shape[0]), (0, shape[1]))
    return Extent(_longest_run(1 - padding.mean(axis=1)), _longest_run(1 - padding.mean(axis=0)))


def _longest_run(shares: NDArray[np.float64]) -> tuple[int, int]:
    """Give the longest range of rows, or columns, of which each has more of the image than a line has."""
    limit = _LINE if (shares > _LINE).any() else 0.0
    ends = np.flatnonzero(np.diff(np.concatenate(([0], (shares > limit).astype(np.int8), [0]))))
    starts, stops = ends[::2], ends[1::2]
    longest = int((stops - starts).argmax())
    return int(starts[longest]), int(stops[longest])
