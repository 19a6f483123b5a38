"""Intervals and correlations are those of the textbooks."""

import pytest

from training.evaluation.rank_correlation import ranks_of, spearman
from training.evaluation.wilson import wilson_interval


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (41, 166, 0.1876, 0.3178)],
)
def test_wilsons_interval(count, n, low, high):
    """Newcombe, Stat Med 1998, and by hand."""
    assert wilson_interval(count, n) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_of_nothing_nothing_is_known():
    """No films: every share is possible."""
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_equal_values_share_their_ranks():
    """The mean of the places that they take."""
    assert ranks_of([3, 1, 3, 2]).tolist() == [3.5, 1, 3.5, 2]


def test_spearman():
    """Monotone is 1, reversed is -1; by hand with ties; a constant has no correlation."""
    assert spearman([1, 2, 30], [0.1, 0.2, 0.3]) == pytest.approx(1)
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert spearman([1, 2, 2, 4], [1, 2, 3, 4]) == pytest.approx(0.9487, abs=1e-4)
    assert spearman([1, 1, 1], [1, 2, 3]) is None
    assert spearman([], []) is None
