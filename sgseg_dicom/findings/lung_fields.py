"""
The lungs of a prediction: cleaned, found or not, and enlarged to the displayed grid.

A lung's zones are parts of its height, from its top row to its bottom row. The Brixia score bounds its zones at the
lower wall of the aortic arch and at the lower wall of the right inferior pulmonary vein (Borghesi A, Maroldi R,
Radiol Med 2020;125:509-513). Our parts only approximate that: no landmark is looked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from PIL import Image

from sgseg_dicom.findings.components import Component, components_of
from sgseg_dicom.model_records import LEFT_LUNG, RIGHT_LUNG
from sgseg_dicom.zones import Laterality

LEAST_AREA = 0.02
"""Share of the image that a lung must have to count as found. A lung of a whole chest has 0.08 to 0.2 of it."""

LEAST_PART = 0.1
"""Size of a part of a lung, in sizes of its largest part, from which it is kept: a tube may cut a lung in two."""

ZONE_CUTS = (0.25, 0.55)
"""
Where the middle and the lower zone begin, in parts of the lung's height from its top row.

On 715 films of QaTa-COV19's valid split, captions and experts' masks agree in 0.906 of the zones with these cuts; in
0.905 with 0.30 and 0.55, in 0.895 with 0.30 and 0.60, in 0.873 with thirds.
"""

VALUES: Mapping[Laterality, int] = {Laterality.RIGHT: RIGHT_LUNG, Laterality.LEFT: LEFT_LUNG}
_LEVEL, _STEPS = 128, 16  # a signed distance in bytes: sixteenths of a pixel of the network, zero at _LEVEL

Grid = tuple[int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class LungField:
    """
    One lung of the patient, in the standard display.

    Attributes:
        mask: bool, the network's grid; the lung without specks and holes, not empty.
    """

    mask: NDArray[np.bool_]

    @property
    def centre(self) -> float:
        """The column of its centre of area, in parts of the image's width: 0 left edge to 1 right edge."""
        columns = np.count_nonzero(self.mask, axis=0)
        return float((np.arange(len(columns)) + 0.5) @ columns / columns.sum() / len(columns))

    @cached_property
    def distance(self) -> NDArray[np.float32]:
        """The signed distance to its border, like *mask*, in pixels: above 0 within, below 0 outside."""
        signed = sitk.SignedMaurerDistanceMapImageFilter()
        signed.SetInsideIsPositive(True)
        signed.SetSquaredDistance(False)
        signed.SetUseImageSpacing(False)
        return np.asarray(_filtered(signed, self.mask) + np.float32(0.5), dtype=np.float32)

    def enlarged(self, shape: Grid) -> Component:
        """
        Give it on a displayed grid of *shape* (rows, columns), with a smooth border; within its own box alone.

        The signed distance is enlarged linearly, in bytes: an eighth of what all pixels in float32 would cost.
        """
        rows = _range_of(np.flatnonzero(self.mask.any(axis=1)), self.mask.shape[0], shape[0])
        columns = _range_of(np.flatnonzero(self.mask.any(axis=0)), self.mask.shape[1], shape[1])
        if self.mask.shape == shape:
            mask = self.mask[rows, columns]
        else:
            levels = np.clip(np.rint(_LEVEL + _STEPS * self.distance), 0, 255).astype(np.uint8)
            mask = np.asarray(enlarged_within(levels, shape, rows, columns) > _LEVEL)
        return Component(rows=rows, columns=columns, mask=mask, size=int(np.count_nonzero(mask)))


LungFields = Mapping[Laterality, LungField]
"""The lungs of one image that are found, the patient's right one first."""


def lung_fields_of(lungs: NDArray[np.uint8] | None) -> LungFields:
    """
    Give the lungs that are found, the patient's right one first; one may be missing, or both.

    It is called once an image: the gate and the finding take what it gives.

    A lung is found where it has `LEAST_AREA` of the image. Where right and left lie the wrong way round, neither is.

    Args:
        lungs: as `Prediction.lungs`; None, of weights without a lung model: no lung is found.
    """
    found = dict[Laterality, LungField]()
    if lungs is None:
        return found
    for side, value in VALUES.items():
        mask = _cleaned(lungs == value)
        if np.count_nonzero(mask) >= LEAST_AREA * mask.size:
            found[side] = LungField(mask=mask)
    if len(found) == len(VALUES) and found[Laterality.RIGHT].centre >= found[Laterality.LEFT].centre:
        return {}
    return found


def is_nearer_right(
    fields: Mapping[Laterality, LungField], shape: Grid, rows: slice, columns: slice
) -> NDArray[np.bool_]:
    """Say which pixels of a box of the grid of *shape* are nearer to the right lung than to the left one."""
    lead = fields[Laterality.RIGHT].distance - fields[Laterality.LEFT].distance
    return np.asarray(enlarged_within(lead, shape, rows, columns) > 0)


def enlarged_within(grid: NDArray[Any], shape: Grid, rows: slice, columns: slice) -> NDArray[Any]:
    """Enlarge *grid*, uint8 or float32, linearly to *shape*, and give a box of that; centres as in `enlarge`."""
    across, down = grid.shape[1] / shape[1], grid.shape[0] / shape[0]
    box = (columns.start * across, rows.start * down, columns.stop * across, rows.stop * down)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    return np.asarray(Image.fromarray(grid).resize(size, Image.Resampling.BILINEAR, box=box))


def zone_rows(lung: Component) -> tuple[slice, slice, slice]:
    """Give the rows of a lung's upper, middle and lower zone, within the lung's own box."""
    used = np.flatnonzero(lung.mask.any(axis=1))
    top, bottom = int(used[0]), int(used[-1]) + 1
    middle, lower = (top + round(cut * (bottom - top)) for cut in ZONE_CUTS)
    return slice(top, middle), slice(middle, lower), slice(lower, bottom)


def _range_of(used: NDArray[np.intp], lines: int, length: int) -> slice:
    """Give where on a grid of *length* the *used* ones of the network's *lines* lie, with a line to spare."""
    scale = length / lines
    start = max(int(np.floor((used[0] - 1) * scale)), 0)
    return slice(start, min(int(np.ceil((used[-1] + 2) * scale)), length))


def _cleaned(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the large parts of a lung, and fill its holes."""
    parts = components_of(mask)
    kept = np.zeros_like(mask)
    for part in parts:
        if part.size >= LEAST_PART * parts[0].size:
            kept[part.rows, part.columns] |= part.mask
    return np.asarray(_filtered(sitk.BinaryFillholeImageFilter(), kept) > 0)


def _filtered(one: Any, mask: NDArray[np.bool_]) -> NDArray[Any]:
    """Filter a mask of the network's grid in this thread: to share so little work among threads costs more."""
    one.SetNumberOfThreads(1)
    one.SetNumberOfWorkUnits(1)
    return sitk.GetArrayFromImage(one.Execute(sitk.GetImageFromArray(mask.astype(np.uint8))))
