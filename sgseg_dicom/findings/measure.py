"""Prediction -> Finding: the mask on the source grid, split by the patient's lungs, and its areas."""

import math

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.extent import Extent
from sgseg_dicom.findings.components import components_of
from sgseg_dicom.findings.zone_extent import reached
from sgseg_dicom.preprocess import enlarge
from sgseg_dicom.records import Finding, LungRegion, Prediction, Radiograph
from sgseg_dicom.zones import HALVES, ZONES, Laterality, sentence_of

WHOLE_SHARE = 0.9
"""A connected component with this share of its area on one side of the midline belongs to that side whole."""


def measure(prediction: Prediction, radiograph: Radiograph) -> Finding:
    """
    Say what is reported: the infected region of each lung on the stored grid, its area, and the sentence.

    Where padding surrounds the image, middle and heights are those of the image alone, and nothing is marked in the
    padding. Neither zones nor mask are corrected by the other: a zone without a mask stays in the sentence, and a
    zone that the mask reaches and the sentence does not name is no longer called free (`Finding.judgement_of`).
    """
    extent = radiograph.extent
    shown = mask_on_display(prediction, extent.shape)
    if radiograph.padding is not None:
        shown = shown & ~radiograph.padding[extent.place]
    halves = split_at_midline(shown, only=_only_lung(prediction))
    regions = [
        _region(side, half, radiograph, extent)
        for side, half in zip(HALVES, halves, strict=True)
        if half.any()
    ]
    return Finding(
        regions=tuple(regions),
        zones=prediction.zones,
        zone_probabilities=prediction.zone_probabilities,
        sentence=sentence_of(prediction.zones),
        reached=reached(*halves),
    )


def mask_on_display(prediction: Prediction, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """
    Give the mask on a displayed grid of *shape* (rows, columns), bool.

    The probability is enlarged and then cut at the weights' threshold. The prediction's own mask says whether
    there is anything at all (it is empty where no zone is infected), and is the result on its own grid.
    """
    rows, columns = shape
    if prediction.mask.shape == (rows, columns):
        return prediction.mask
    if not prediction.mask.any():
        return np.zeros((rows, columns), dtype=np.bool_)
    return enlarge(prediction.mask_probability, (rows, columns)) >= np.float32(prediction.threshold)


def split_at_midline(
    shown: NDArray[np.bool_], *, only: Laterality | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
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
    return left, shown & ~left


def _only_lung(prediction: Prediction) -> Laterality | None:
    """The lung that the zones name, where they name one."""
    named = {zone.laterality for zone, present in zip(ZONES, prediction.zones, strict=True) if present}
    return named.pop() if len(named) == 1 else None


def _stored(half: NDArray[np.bool_], radiograph: Radiograph, extent: Extent) -> NDArray[np.bool_]:
    """Put what was found in the image's *extent* back on the stored grid."""
    whole = np.zeros(radiograph.pixels.shape, dtype=np.bool_)
    whole[extent.place] = half
    return radiograph.orientation.to_stored(whole).astype(np.bool_, copy=False)


def _region(side: Laterality, half: NDArray[np.bool_], radiograph: Radiograph, extent: Extent) -> LungRegion:
    mask = _stored(half, radiograph, extent)
    count = int(np.count_nonzero(mask))
    spacing = radiograph.spacing_mm
    return LungRegion(
        laterality=side,
        mask=np.ascontiguousarray(mask),
        area_share=count / math.prod(extent.shape),
        area_mm2=None if spacing is None else count * spacing[0] * spacing[1],
    )
