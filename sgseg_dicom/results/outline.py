"""The outline of a region as a closed polyline, for the SR (SCOORD, PS3.3 C.18.6)."""

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.findings.components import Component, components_of
from sgseg_dicom.records import LungRegion

OUTLINED_SHARE = 0.02
"""Parts of a region with less of its area than this get no outline of their own; the SEG has them all."""

MAXIMUM_POINTS = 400
"""A longer outline is thinned evenly; a chord of k pixels leaves a curve of radius r by k*k/8r pixels."""

_STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))
"""Row and column of one step east, south, west, north: a right turn is the next one."""


def outlined_parts(region: LungRegion) -> list[Component]:
    """Give the parts of a region that get an outline, the largest first."""
    parts = components_of(region.mask)
    smallest = OUTLINED_SHARE * sum(part.size for part in parts)
    return [part for place, part in enumerate(parts) if place == 0 or part.size >= smallest]


def outline_of(part: Component) -> NDArray[np.float32]:
    """
    Trace the outer edge of a component, with it on the right hand; holes are not traced.

    Returns:
        float32 (points, 2): column and row in the image, where (0, 0) is the upper left corner of the first
        pixel and (1, 1) its lower right one; clockwise, the last point is the first one again.
    """
    corners = _corners(part.mask)
    stride = -(-len(corners) // MAXIMUM_POINTS)
    points = np.asarray([*corners[::stride], corners[0]], dtype=np.float32)
    return points[:, ::-1] + np.array([part.columns.start, part.rows.start], dtype=np.float32)


def _corners(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Follow the pixels' edges from the first pixel of the first row; one corner (row, column) a step."""
    padded = np.pad(mask, 1)
    width = padded.shape[1]
    inside = padded.tobytes()  # asked pixel by pixel: much faster than an array
    # Of the pixels around corner (row, column), at row * width + column of the padded grid: the one ahead on
    # the right hand, by heading. The one ahead on the left hand is that of the heading before.
    right_hand = (width + 1, width, 0, 1)
    start = row, column = 0, int(np.flatnonzero(mask[0])[0])
    heading, corners = 0, [start]
    while True:
        down, right = _STEPS[heading]
        row, column = row + down, column + right
        if (row, column) == start:
            return corners
        corners.append((row, column))
        corner = row * width + column
        if inside[corner + right_hand[heading - 1]]:
            heading = (heading - 1) % 4
        elif not inside[corner + right_hand[heading]]:
            heading = (heading + 1) % 4
