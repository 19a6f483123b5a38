"""Prediction -> Finding: the mask on the source grid, split by the patient's lungs, and its areas."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.extent import Extent
from sgseg_dicom.findings.components import Component
from sgseg_dicom.findings.enlarged_mask import reaches
from sgseg_dicom.findings.lung_fields import LungFields, is_nearer_right, lung_fields_of
from sgseg_dicom.findings.lung_shares import LungShares, lung_shares_of
from sgseg_dicom.findings.sides import Split, split_at_midline, split_by_lungs
from sgseg_dicom.findings.zone_extent import reached
from sgseg_dicom.records import Finding, LungRegion, Prediction, Radiograph
from sgseg_dicom.zones import HALVES, ZONES, Laterality, sentence_of


def measure(prediction: Prediction, radiograph: Radiograph, fields: LungFields | None = None) -> Finding:
    """
    Say what is reported: the infected region of each lung on the stored grid, its area, and the sentence.

    The lungs tell the sides; where one of them is not found, or the weights have no lung model, the middle of the
    image does. Where padding surrounds the image, middle and heights are those of the image alone, and nothing is
    marked in the padding. Neither zones nor mask are corrected by the other: `Finding.judgement_of` says what is
    reported where they differ.

    Args:
        prediction: of the model.
        radiograph: that was judged.
        fields: `lung_fields_of` the prediction, of a caller who knows them already; None: they are looked for here.
    """
    extent = radiograph.extent
    shown = mask_on_display(prediction, extent.shape)
    hidden = None if radiograph.padding is None else radiograph.padding[extent.place]
    if hidden is not None:
        shown = shown & ~hidden
    if fields is None:
        fields = lung_fields_of(prediction.lungs)
    lungs = dict[Laterality, Component]()
    if shown.any():
        lungs = _on_display(fields, extent.shape, hidden)
        fields = {side: fields[side] for side in lungs}
    split = _split(shown, fields, lungs, prediction)
    by_side = dict(zip(HALVES, (split.right, split.left), strict=True))
    shares = lung_shares_of(lungs, by_side) if lungs else _nothing_marked(fields)
    return Finding(
        regions=tuple(
            _region(side, half, radiograph, extent) for side, half in by_side.items() if half.any()
        ),
        zones=prediction.zones,
        zone_probabilities=prediction.zone_probabilities,
        sentence=sentence_of(prediction.zones),
        reached=reached(split.right, split.left),
        lung_centres=_centres(fields),
        lung_shares=shares.of_lungs,
        share_of_both=shares.of_both,
        zone_shares=shares.of_zones,
        dropped_share=split.dropped / shown.size,
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
    return reaches(prediction.mask_probability, (rows, columns), np.float32(prediction.threshold))


def _on_display(
    fields: LungFields, shape: tuple[int, int], hidden: NDArray[np.bool_] | None
) -> dict[Laterality, Component]:
    """Give the lungs on the displayed grid, without what padding hides of them; one that is all hidden is missing."""
    lungs = {}
    for side, field in fields.items():
        lung = field.enlarged(shape)
        if hidden is not None:
            seen = lung.mask & ~hidden[lung.rows, lung.columns]
            lung = replace(lung, mask=seen, size=int(np.count_nonzero(seen)))
        if lung.size:
            lungs[side] = lung
    return lungs


def _split(
    shown: NDArray[np.bool_],
    fields: LungFields,
    lungs: Mapping[Laterality, Component],
    prediction: Prediction,
) -> Split:
    if len(lungs) < len(HALVES):
        return split_at_midline(shown, only=_only_lung(prediction))
    rows, columns = shown.shape
    return split_by_lungs(shown, lungs, partial(is_nearer_right, fields, (rows, columns)))


def _centres(fields: LungFields) -> tuple[float, float] | None:
    if len(fields) < len(HALVES):
        return None
    return fields[Laterality.RIGHT].centre, fields[Laterality.LEFT].centre


def _nothing_marked(fields: LungFields) -> LungShares:
    """Give the shares of an image without a mark: no lung needs to be enlarged for them."""
    both = len(fields) == len(HALVES)
    return LungShares(
        of_lungs=dict.fromkeys(fields, 0.0),
        of_both=0.0 if both else None,
        of_zones=(0.0,) * len(ZONES) if both else None,
    )


def _only_lung(prediction: Prediction) -> Laterality | None:
    """The lung that the zones name, where they name one."""
    named = {zone.laterality for zone, present in zip(ZONES, prediction.zones, strict=True) if present}
    return named.pop() if len(named) == 1 else None


def _stored(half: NDArray[np.bool_], radiograph: Radiograph, extent: Extent) -> NDArray[np.bool_]:
    """Put what was found in the image's *extent* back on the stored grid."""
    whole = half
    if half.shape != radiograph.pixels.shape:
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
