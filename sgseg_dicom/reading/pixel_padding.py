"""Which pixels with the Pixel Padding Value are padding."""

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from sgseg_dicom.row_blocks import row_blocks

_BAND = 0.01
"""Share of a side next to the edge that need not be padding: some images have a line along their edges."""


def touching_the_edge(padding: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """
    Keep of *padding* (rows, columns) what is connected, side by side, with an edge of the grid.

    Padding brings an image to a rectangle (PS3.3 C.7.5.1.1.2), so it lies around it: a pixel within that has the
    Pixel Padding Value, as air in a lung can, is image.
    """
    labels = sitk.ConnectedComponent(sitk.GetImageFromArray(np.ascontiguousarray(padding).view(np.uint8)))
    grid = sitk.GetArrayViewFromImage(labels)
    high, wide = (1 + int(_BAND * side) for side in padding.shape)
    bands = (grid[:high], grid[-high:], grid[:, :wide], grid[:, -wide:])
    touching = np.zeros(int(grid.max()) + 1, dtype=np.bool_)
    for band in bands:
        touching[np.unique(band)] = True
    touching[0] = False
    kept = np.empty(padding.shape, dtype=np.bool_)
    for rows in row_blocks(kept.shape):
        kept[rows] = touching[grid[rows]]
    return kept
