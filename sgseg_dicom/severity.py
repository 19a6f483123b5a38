"""
Scores of how much of the lungs is marked. Pure.

The score of a lung is that of Wong HYF et al., Frequency and Distribution of Chest Radiographic Findings in Patients
Positive for COVID-19, Radiology 2020;296:E72-E78: 0 to 4 a lung by its extent, 0 to 8 together. They adapted it from
the extent part of the RALE score (Warren MA et al., Thorax 2018;73:840-846), which is by quadrant.
"""

from bisect import bisect_right

HIGHEST_SCORE = 4
"""Of one lung."""

_SCORE_STARTS = (0.25, 0.50, 0.75)
"""Shares of a lung from which its score is 2, 3 and 4."""

ZONE_SCORE_STARTS = (0.05, 0.25, 0.50)
"""Shares of a zone from which `zone_score` is 1, 2 and 3; to be chosen by measurement, and not reported yet."""


def lung_score(share: float) -> int:
    """
    Score one lung: 0 where nothing is marked, 1 below 25 %, 2 below 50 %, 3 below 75 %, 4 from there.

    Args:
        share: the marked share of the lung's area, 0 to 1. It is scored as it is written, in tenths of a percent.
    """
    return 1 + bisect_right(_SCORE_STARTS, round(share, 3)) if share > 0 else 0


def zone_score(share: float) -> int:
    """
    Score one zone from 0 to 3, as many steps as the Brixia score has (Borghesi A, Maroldi R, Radiol Med 2020).

    Brixia scores the KIND of opacity (interstitial to alveolar). This scores its extent alone.

    Args:
        share: the marked share of the zone's area, 0 to 1.
    """
    return bisect_right(ZONE_SCORE_STARTS, share)
