"""
An undeclared border: rows and columns along the edges that hold one stored value. It is padding.

Exports, film scanners and electronic shutters leave it, and no attribute declares it. Of the valid images of
QaTa-COV19, 5 % have one, and no annotated pixel lies in it. Where it is wider at one side, the patient's middle is
the middle of the image within the border, and not that of the grid (a person compared 16 of them; training/LOG.md).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_SHOWN = 0.3
"""Least share of the grid that lies within a border; what leaves less is no border around a radiograph."""

_LEAST_WIDTH = 0.02
"""Share of a side: what is narrower is an edge, and changes nothing."""

_LEAST_SIDE = 64
"""Pixels: in a shorter line, all may have the same value by accident."""

_SAME = 0.98
"""Share of a row or column that has the value: a letter or a scratch may lie in it."""


def shown_within_border(codes: NDArray[Any]) -> NDArray[np.bool_] | None:
    """
    Give bool (rows, columns), like stored *codes*, False in a border of one value; None where there is none.

    Each side has its own value. Air is no border: its values differ, if only by noise.
    """
    if min(codes.shape) < _LEAST_SIDE:
        return None
    left, right = 0, codes.shape[1]
    for _ in range(2):  # beside a side of another value the upper and lower one are found in what that leaves
        top, bottom = _ends(codes[:, left:right])
        if bottom > top:
            left, right = _ends(codes[top:bottom].T)
        if (bottom - top) * (right - left) < LEAST_SHOWN * codes.size:
            return None
    shown = np.zeros(codes.shape, dtype=np.bool_)
    shown[top:bottom, left:right] = True
    return None if shown.all() else shown


def _ends(lines: NDArray[Any]) -> tuple[int, int]:
    """Give where the border ends and where it begins again, of all *lines* (rows, or columns)."""
    return _width(lines), len(lines) - _width(lines[::-1])


def _width(lines: NDArray[Any]) -> int:
    value = np.median(lines[0]).astype(lines.dtype)
    width = 0
    for line in lines:
        if np.count_nonzero(line == value) < _SAME * line.size:
            break
        width += 1
    return width if width >= _LEAST_WIDTH * len(lines) else 0
