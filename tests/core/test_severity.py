"""The severity score and the score of a zone."""

import pytest

from sgseg_dicom.severity import lung_score, zone_score


@pytest.mark.parametrize(
    ("share", "score"),
    [
        (0, 0),
        (1e-6, 1),
        (0.249, 1),
        (0.2496, 2),
        (0.25, 2),
        (0.4994, 2),
        (0.5, 3),
        (0.74, 3),
        (0.75, 4),
        (1, 4),
    ],
)
def test_a_lung_is_scored_in_steps_of_a_quarter(share, score):
    """By the share as it is written: 24.96 % reads as 25.0 %."""
    assert lung_score(share) == score


def test_a_zone_is_scored_from_0_to_3():
    """In growing steps."""
    assert [zone_score(share / 20) for share in range(21)] == [0] + [1] * 4 + [2] * 5 + [3] * 11
