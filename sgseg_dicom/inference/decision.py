"""From raw answers to predictions: calibration and thresholds. The same for every runtime; no torch comes with it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.errors import InferenceError
from sgseg_dicom.inference.raw_answers import RawAnswers, RawHeads
from sgseg_dicom.model_records import LEFT_LUNG, RIGHT_LUNG, Algorithm, Look, LookScores, Prediction
from sgseg_dicom.release.heads_manifest import HeadsManifest, joint_identity
from sgseg_dicom.release.manifest import Manifest, Thresholds
from sgseg_dicom.zones import ZoneBits

Judged = Prediction | InferenceError
"""What becomes of one image of a batch. The failure of one is none of the others."""

_LARGEST_LOGIT = 80.0
"""Beyond it a probability is 0 or 1, and the exponential would overflow."""


class HeadAnswer(NamedTuple):
    """
    What the heads say of one image.

    Attributes:
        lungs: uint8 (S, S), as of `Prediction.lungs`.
        look: what the image looks like.
        infection: natural log odds that the image shows an infection, less the threshold of the heads: from 0 on
            they say so.
    """

    lungs: NDArray[np.uint8]
    look: Look
    infection: float


def algorithm_of(manifest: Manifest, heads: HeadsManifest | None) -> Algorithm:
    """Give who judges: weights, and their heads where there are any."""
    identity = manifest.identity if heads is None else joint_identity(manifest, heads)
    return Algorithm(name=manifest.name, version=manifest.version, weights_digest=identity)


def judged_each(
    raw: RawAnswers,
    manifest: Manifest,
    heads: HeadsManifest | None,
    *,
    given_zones: Sequence[ZoneBits] | None = None,
) -> list[Judged]:
    """
    Decide each image of a batch.

    Args:
        raw: of the batch.
        manifest: of the weights: calibration and thresholds.
        heads: manifest of the heads; None where *raw* has nothing of them.
        given_zones: the zones of each image where they are known, for evaluation: they are taken as they are.
    """
    if given_zones is None:
        return [_judged(raw, place, manifest, heads, None) for place in range(len(raw.zone_logits))]
    return [
        _judged(raw, place, manifest, None, np.array(zones, dtype=np.float32))
        for place, zones in enumerate(given_zones)
    ]


def _judged(
    raw: RawAnswers,
    place: int,
    manifest: Manifest,
    heads: HeadsManifest | None,
    given_zones: NDArray[np.float32] | None,
) -> Judged:
    mask, zones = raw.mask_logits[place], raw.zone_logits[place]
    # Every comparison with NaN is False: it would read as "no infection".
    if not (np.isfinite(mask).all() and np.isfinite(zones).all()):
        return InferenceError('the network\'s answer is not a number; see the image, or set device = "cpu"')
    answer = None
    if raw.heads is not None and heads is not None:
        if not _are_numbers(raw.heads, place):
            return InferenceError('the heads\' answer is not a number; see the image, or set device = "cpu"')
        answer = _head_answer(raw.heads, place, heads)
    calibration = manifest.calibration
    return decide(
        probability_of(mask / calibration.mask_temperature),
        probability_of(zones / calibration.zone_temperature) if given_zones is None else given_zones,
        manifest.thresholds,
        answer,
    )


def _are_numbers(heads: RawHeads, place: int) -> bool:
    return all(np.isfinite(part[place]).all() for part in (heads.lungs, heads.looks, heads.infection))


def _head_answer(heads: RawHeads, place: int, manifest: HeadsManifest) -> HeadAnswer:
    return HeadAnswer(
        lungs=lung_labels(heads.lungs[place]),
        look=Look(scores=LookScores(*map(float, heads.looks[place])), limits=manifest.look),
        infection=float(heads.infection[place]) - manifest.infection,
    )


def lung_labels(logits: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Give the lungs of logits (2, S, S) as labels (S, S): the likelier lung where it is likelier than none."""
    right, left = logits
    side = np.where(left > right, LEFT_LUNG, RIGHT_LUNG)
    return np.where(np.maximum(right, left) > 0, side, 0).astype(np.uint8)


def probability_of(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the logistic function of *logits*, of any shape."""
    return np.asarray(
        1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -_LARGEST_LOGIT, _LARGEST_LOGIT))),
        dtype=np.float32,
    )


def infection_score(zone_probabilities: NDArray[np.float32]) -> float:
    """
    Give 1 - product of (1 - p) over the zones: the probability that any zone is infected, if they were independent.

    Of the scores tried on valid, it separates infected from normal images best (training/LOG.md).
    """
    return float(1 - np.prod(1 - zone_probabilities.astype(np.float64)))


def decide(
    mask_probability: NDArray[np.float32],
    zone_probabilities: NDArray[np.float32],
    thresholds: Thresholds,
    answer: HeadAnswer | None = None,
) -> Prediction:
    """
    Apply the thresholds: an image is infected where `infection_score` reaches the infection threshold.

    Where there are heads, they too must say that it is infected: on the films of a hospital that they learned from
    they know better, and on those of another one the zones do. An image that is not infected has no zone and an empty
    mask. An infected image has at least its likeliest zone.
    """
    infected = infection_score(zone_probabilities) >= thresholds.infection
    if answer is not None:
        infected = infected and answer.infection >= 0
    named = zone_probabilities >= min(thresholds.zone, float(zone_probabilities.max()))
    upper_r, middle_r, lower_r, upper_l, middle_l, lower_l = (bool(infected and zone) for zone in named)
    return Prediction(
        mask_probability=mask_probability,
        zone_probabilities=zone_probabilities,
        threshold=thresholds.mask,
        mask=(mask_probability >= thresholds.mask) & infected,
        zones=(upper_r, middle_r, lower_r, upper_l, middle_l, lower_l),
        lungs=None if answer is None else answer.lungs,
        look=None if answer is None else answer.look,
    )
