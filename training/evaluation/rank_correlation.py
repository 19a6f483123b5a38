"""Spearman's rank correlation; equal values share the mean of their ranks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Give the correlation, -1 to 1, of two lists of equal length; None: a list has fewer than two values."""
    if len(set(first)) < 2 or len(set(second)) < 2:
        return None
    return float(np.corrcoef(ranks_of(first), ranks_of(second))[0, 1])


def ranks_of(values: Sequence[float]) -> NDArray[np.float64]:
    """Give the rank of each value, from 1; equal values have the mean of the ranks that they share."""
    _, place, counts = np.unique(
        np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True
    )
    last = np.cumsum(counts)
    means: NDArray[np.float64] = last - (counts - 1) / 2
    return means[place]
