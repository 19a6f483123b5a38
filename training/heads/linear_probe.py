"""A logistic regression on descriptors, as one linear layer."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression


class LinearProbe:
    """
    Log odds as a linear function of descriptors.

    Attributes:
        weights: float64 (D,), for descriptors as they are.
        constant: 0 for an odd probe.
    """

    def __init__(self, weights: NDArray[np.float64], constant: float) -> None:
        self.weights = weights
        self.constant = constant

    def __call__(self, descriptors: NDArray[np.floating]) -> NDArray[np.float64]:
        """Score descriptors (N, D)."""
        return np.asarray(descriptors @ self.weights + self.constant, dtype=np.float64)


def fit_probe(
    descriptors: NDArray[np.floating],
    positive: NDArray[np.bool_],
    *,
    strength: float,
    odd: bool = False,
    weights: NDArray[np.float64] | None = None,
) -> LinearProbe:
    """
    Fit a probe.

    Args:
        descriptors: (N, D); each of the D is divided by its deviation.
        positive: (N,).
        strength: C of scikit-learn: the larger, the less is shrunk.
        odd: without a constant, so that the negative of a descriptor has the negative score.
        weights: of the films; without, both classes weigh the same.
    """
    deviation = descriptors.std(axis=0) + 1e-6
    mean = np.zeros_like(deviation) if odd else descriptors.mean(axis=0)
    model = LogisticRegression(
        C=strength,
        fit_intercept=not odd,
        max_iter=2000,
        class_weight=None if weights is not None else "balanced",
    )
    model.fit((descriptors - mean) / deviation, positive, sample_weight=weights)
    slopes = model.coef_[0].astype(np.float64) / deviation
    constant = 0.0 if odd else float(model.intercept_[0] - slopes @ mean)
    return LinearProbe(slopes, constant)


def folds_of(patients: Sequence[str], count: int, *, seed: int) -> NDArray[np.int64]:
    """Deal films into *count* folds, all films of a patient into one."""
    names = sorted(set(patients))
    fold = dict(zip(names, np.random.default_rng(seed).integers(count, size=len(names)), strict=True))
    return np.array([fold[patient] for patient in patients])
