"""Temperatures and thresholds, chosen on the valid split alone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.inference.decision import infection_score
from sgseg_dicom.records import Prediction
from sgseg_dicom.release.manifest import Calibration, Thresholds
from training.data import Item, load_mask
from training.evaluation.metrics import ratio_of

MIN_SENSITIVITY = 0.99
"""Share of the infected images that must have a finding. Of the thresholds that allow it the most specific wins."""

NEUTRAL_CALIBRATION = Calibration(zone_temperature=1.0, mask_temperature=1.0)
OPEN_THRESHOLDS = Thresholds(infection=1e-6, zone=0.5, mask=0.5)
"""For uncalibrated predictions: no image falls below the infection threshold."""

_TEMPERATURES = np.geomspace(0.5, 3.0, 61)
_CUTS = np.round(np.arange(0.20, 0.71, 0.02), 2)


def calibrate(
    items: Sequence[Item], predictions: Sequence[Prediction], normal_predictions: Sequence[Prediction]
) -> tuple[Calibration, Thresholds]:
    """
    Choose temperatures by likelihood; choose each threshold for its purpose.

    Args:
        items: infected, of the valid split.
        predictions: of *items*, uncalibrated (NEUTRAL_CALIBRATION, OPEN_THRESHOLDS).
        normal_predictions: of normal radiographs of the valid split, uncalibrated; may be empty.
    """
    masks = np.stack([load_mask(item) for item in items])
    mask_logits = logits_of(np.stack([p.mask_probability for p in predictions]))
    zones = np.array([item.known_zones for item in items], dtype=np.bool_)
    zone_logits = logits_of(np.stack([p.zone_probabilities for p in predictions]))
    normal_logits = logits_of(np.array([p.zone_probabilities for p in normal_predictions]).reshape(-1, 6))
    calibration = Calibration(
        zone_temperature=best_temperature(
            np.concatenate([zone_logits, normal_logits]),
            np.concatenate([zones, np.zeros(normal_logits.shape, bool)]),
        ),
        mask_temperature=best_temperature(mask_logits[:, ::4, ::4], masks[:, ::4, ::4]),
    )
    mask_probabilities = _probabilities(mask_logits, calibration.mask_temperature)
    zone_probabilities = _probabilities(zone_logits, calibration.zone_temperature)
    of_normals = _probabilities(normal_logits, calibration.zone_temperature)
    thresholds = Thresholds(
        infection=infection_threshold(_scores(zone_probabilities), _scores(of_normals)),
        zone=_best_zone_cut(zone_probabilities, zones),
        mask=_best_mask_cut(mask_probabilities, masks),
    )
    return calibration, thresholds


def logits_of(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Undo the sigmoid."""
    clipped = np.clip(probabilities.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.log(clipped / (1 - clipped))


def best_temperature(logits: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Give the divisor of *logits*, from 0.5 to 3, with which *truth* is most likely."""
    signed = np.where(truth, logits, -logits)
    losses = [np.logaddexp(0, -signed / temperature).mean() for temperature in _TEMPERATURES]
    return round(float(_TEMPERATURES[int(np.argmin(losses))]), 4)


def infection_threshold(infected: NDArray[np.float64], normal: NDArray[np.float64]) -> float:
    """
    Give the most specific threshold that MIN_SENSITIVITY of the *infected* images' scores reach.

    It lies in the middle between the lowest score that must reach it and the next score below, of either group. So
    images are judged the same in another precision (float32 instead of bf16). Where all *normal* images score lower,
    it lies in the middle between the highest of them and the lowest score that must reach it.
    """
    lowest = float(np.quantile(infected, 1 - MIN_SENSITIVITY, method="lower"))
    highest_normal = float(normal.max(initial=0.0))
    scores = np.concatenate([infected, normal])
    below = float(scores[scores < lowest].max(initial=0.0)) if highest_normal >= lowest else highest_normal
    # Never rounded up to the lowest score itself: that would cost sensitivity.
    return round(min((below + lowest) / 2, lowest - 1e-6), 6)


def _scores(zones: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([infection_score(row.astype(np.float32)) for row in zones])


def _best_zone_cut(probabilities: NDArray[np.float64], zones: NDArray[np.bool_]) -> float:
    return float(max(_CUTS, key=lambda cut: float(((probabilities >= cut) == zones).mean())))


def _best_mask_cut(probabilities: NDArray[np.float64], masks: NDArray[np.bool_]) -> float:
    """Give the cut with the highest sum of micro Dice and mean Dice."""

    def score(cut: float) -> float:
        predicted = probabilities >= cut
        overlap, total = (
            (predicted & masks).sum(axis=(1, 2)),
            predicted.sum(axis=(1, 2)) + masks.sum(axis=(1, 2)),
        )
        return float(2 * overlap.sum() / max(1, total.sum()) + ratio_of(2 * overlap, total).mean())

    return float(max(_CUTS, key=score))


def _probabilities(logits: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-logits / temperature))
