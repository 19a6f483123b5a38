"""Counts of each image -> figures of masks, zones and normal images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Counts:
    """
    Numbers of each image: enough for every figure and its bootstrap.

    Attributes:
        patients: (N,) the patient of the image.
        overlap, predicted, true: (N,) pixels marked in both masks, in the predicted one, in the true one.
        pixels: (N,) all pixels of the image.
        zones, true_zones: bool (N, 6).
    """

    patients: NDArray[np.str_]
    overlap: NDArray[np.int64]
    predicted: NDArray[np.int64]
    true: NDArray[np.int64]
    pixels: NDArray[np.int64]
    zones: NDArray[np.bool_]
    true_zones: NDArray[np.bool_]

    def take(self, places: NDArray[np.int64]) -> "Counts":
        """Give the images at *places*; a place may occur more than once."""
        fields = {name: getattr(self, name)[places] for name in self.__slots__}
        return Counts(**fields)


def mask_metrics(counts: Counts) -> dict[str, float]:
    """
    Give the figures that need no captions: "micro" pools all pixels, "mean" averages over images.

    Of the images whose true mask has a pixel, `sensitivity` is the share with a finding, and `mask_sensitivity` the
    share with a predicted pixel. Where both masks are empty, the image's Dice and Jaccard are 1.
    """
    union = counts.predicted + counts.true - counts.overlap
    total = counts.predicted + counts.true
    infected = counts.true > 0
    return {
        "dice_micro": float(ratio_of(2 * counts.overlap.sum(), total.sum())),
        "dice_mean": float(ratio_of(2 * counts.overlap, total).mean()),
        "jaccard_micro": float(ratio_of(counts.overlap.sum(), union.sum())),
        "jaccard_mean": float(ratio_of(counts.overlap, union).mean()),
        "accuracy": float(1 - (union - counts.overlap).sum() / counts.pixels.sum()),
        "sensitivity": _share_of(np.asarray(counts.zones.any(axis=1)), infected),
        "mask_sensitivity": _share_of(counts.predicted.astype(np.bool_), infected),
    }


def ratio_of(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give part / whole of each image; 1 where both are 0, since there was nothing and nothing was predicted."""
    return np.where(whole == 0, 1.0, part / np.maximum(1, whole))


def _share_of(found: NDArray[np.bool_], infected: NDArray[np.bool_]) -> float:
    return float((found & infected).sum() / max(1, infected.sum()))


def zone_metrics(counts: Counts) -> dict[str, float]:
    """Compare the predicted zones with those that the captions name."""
    right = counts.zones == counts.true_zones
    named = 2 * (counts.zones & counts.true_zones).sum()
    return {
        "zone_accuracy": float(right.mean()),
        "zone_f1": float(ratio_of(named, counts.zones.sum() + counts.true_zones.sum())),
        "report_exact_match": float(right.all(axis=1).mean()),
    }


def normal_metrics(counts: Counts) -> dict[str, float]:
    """
    Give the shares of normal radiographs with a mask and with a finding, which should be 0.

    A zone without a mask is a finding too. An image with a mask always has a zone.
    """
    return {
        "any_mask_rate": float((counts.predicted > 0).mean()),
        "any_finding_rate": float(counts.zones.any(axis=1).mean()),
        "mean_area": float((counts.predicted / counts.pixels).mean()),
    }
