"""Which lung of the patient a marked part belongs to: by the lungs, or by the middle of the image."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.findings.components import Component, components_of
from sgseg_dicom.zones import HALVES, Laterality

WHOLE_SHARE = 0.9
"""A connected component with this share of its area on one side belongs to that side whole."""

LEAST_INSIDE = 0.1
"""Share of a connected component that must lie in a lung; one with less is dropped: it is no finding of a lung."""

Nearer = Callable[[slice, slice], NDArray[np.bool_]]
"""Says of a box of the grid which pixels are nearer to the patient's right lung."""


class Split(NamedTuple):
    """
    A mask in the standard display, split by the patient's lungs.

    Attributes:
        right, left: bool, disjoint.
        dropped: number of pixels outside both lungs that belong to neither.
    """

    right: NDArray[np.bool_]
    left: NDArray[np.bool_]
    dropped: int = 0


def split_by_lungs(
    shown: NDArray[np.bool_], lungs: Mapping[Laterality, Component], is_nearer_right: Nearer
) -> Split:
    """
    Split a mask (rows, columns) by both *lungs*.

    Of a connected component the pixels within the lungs decide. With `WHOLE_SHARE` of them in one lung it goes there
    whole, also what of it lies outside. Another one is cut: a pixel belongs to the lung that contains it, else to the
    nearer one. A component with less than `LEAST_INSIDE` of its pixels in the lungs is dropped.
    """
    right, left, dropped = np.zeros_like(shown), np.zeros_like(shown), 0
    for part in components_of(shown):
        place = part.rows, part.columns
        within = {side: covered(lung, *place) & part.mask for side, lung in lungs.items()}
        in_right, in_left = (int(np.count_nonzero(within[side])) for side in HALVES)
        inside = in_right + in_left
        if inside < LEAST_INSIDE * part.size or not inside:
            dropped += part.size
        elif in_right >= WHOLE_SHARE * inside:
            right[place] |= part.mask
        elif in_left >= WHOLE_SHARE * inside:
            left[place] |= part.mask
        else:
            of_right = (is_nearer_right(*place) & ~within[Laterality.LEFT]) | within[Laterality.RIGHT]
            right[place] |= part.mask & of_right
            left[place] |= part.mask & ~of_right
    return Split(right, left, dropped)


def covered(lung: Component, rows: slice, columns: slice) -> NDArray[np.bool_]:
    """Say which pixels of a box of the grid lie in a lung."""
    inside = np.zeros((rows.stop - rows.start, columns.stop - columns.start), dtype=np.bool_)
    top, bottom = max(rows.start, lung.rows.start), min(rows.stop, lung.rows.stop)
    first, last = max(columns.start, lung.columns.start), min(columns.stop, lung.columns.stop)
    if top < bottom and first < last:
        inside[top - rows.start : bottom - rows.start, first - columns.start : last - columns.start] = (
            lung.mask[
                top - lung.rows.start : bottom - lung.rows.start,
                first - lung.columns.start : last - lung.columns.start,
            ]
        )
    return inside


def split_at_midline(shown: NDArray[np.bool_], *, only: Laterality | None = None) -> Split:
    """
    Split a mask in the standard display into the image's left and right, the patient's right and left lung.

    A component goes whole to the side that has WHOLE_SHARE of it; half is enough for the *only* lung that the
    zones name (a patient off the centre). Another, across the midline, is cut. An odd number of columns leaves
    the middle one to the image's right. The two are disjoint; together, *shown*.
    """
    middle = shown.shape[1] // 2
    left = np.zeros_like(shown)
    for part in components_of(shown):
        width = part.mask.shape[1]
        cut = min(max(middle - part.columns.start, 0), width)
        share = np.count_nonzero(part.mask[:, :cut]) / part.size
        if share >= (0.5 if only is HALVES[0] else WHOLE_SHARE):
            cut = width
        elif share <= (0.5 if only is HALVES[1] else 1 - WHOLE_SHARE):
            cut = 0
        left[part.rows, part.columns][:, :cut] |= part.mask[:, :cut]
    return Split(left, shown & ~left)
