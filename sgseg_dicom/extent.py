"""Where the image lies in its grid: around it there may be padding, or what a shutter hides."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Extent:
    """
    The least rectangle that holds the whole image.

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
    rows, columns = (np.flatnonzero(~padding.all(axis=axis)) for axis in (1, 0))
    return Extent((int(rows[0]), int(rows[-1]) + 1), (int(columns[0]), int(columns[-1]) + 1))


def touching_the_edge(padding: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """
    Keep of *padding* (rows, columns) what is connected with an edge of the grid, side by side.

    Padding brings an image to a rectangle (PS3.3 C.7.5.1.1.2), so it lies around it: a pixel within that has the
    Pixel Padding Value, as air in a lung can, is image.
    """
    labels = sitk.ConnectedComponent(sitk.GetImageFromArray(padding.astype(np.uint8)))
    grid = sitk.GetArrayViewFromImage(labels)
    at_edge = np.unique(np.concatenate((grid[0], grid[-1], grid[:, 0], grid[:, -1])))
    kept = np.zeros(int(grid.max()) + 1, dtype=np.bool_)
    kept[at_edge[at_edge > 0]] = True
    return np.asarray(kept[grid])
