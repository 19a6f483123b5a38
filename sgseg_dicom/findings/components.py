"""The connected parts of a mask, the largest first."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
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


def components_of(mask: NDArray[np.bool_]) -> list[Component]:
    """Split a mask (rows, columns) into its connected components, the largest first; none if it is empty."""
    used_rows, used_columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not used_rows.size:
        return []
    top, left = int(used_rows[0]), int(used_columns[0])
    box = mask[top : used_rows[-1] + 1, left : used_columns[-1] + 1]
    labels = sitk.ConnectedComponent(sitk.GetImageFromArray(box.astype(np.uint8)), True)
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.Execute(labels)
    grid = sitk.GetArrayViewFromImage(labels)
    parts = []
    for label in shapes.GetLabels():
        x, y, width, height = shapes.GetBoundingBox(label)
        part = grid[y : y + height, x : x + width] == label
        rows, columns = slice(top + y, top + y + height), slice(left + x, left + x + width)
        parts.append(
            Component(rows=rows, columns=columns, mask=part, size=int(shapes.GetNumberOfPixels(label)))
        )
    return sorted(parts, key=lambda part: -part.size)
