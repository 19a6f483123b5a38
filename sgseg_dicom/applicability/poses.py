"""From the logits of the image check's network to its scores: poses of an image and of its mirror image."""

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.applicability.image_check import ImageCheckScores

POSES = 8
"""
Poses of an image. Pose k + 4 m is the standard display, mirrored left to right if m is 1, then turned k times by 90
degrees to the left.
"""
INVERTED, CHEST, CUT_OFF = 8, 9, 10
OUTPUTS = 11

_UNMIRRORED = [4, 7, 6, 5, 0, 3, 2, 1, INVERTED, CHEST, CUT_OFF]
"""The mirror image of an image of pose (k, m) has pose (-k, not m)."""


def scores_of(plain: NDArray[np.float32], mirror: NDArray[np.float32]) -> ImageCheckScores:
    """
    Give the scores of one image. Those that mirroring cannot change are averaged.

    Args:
        plain: (11,), logits of the image.
        mirror: (11,), logits of its mirror image.
    """
    one, other = plain.astype(np.float64), mirror.astype(np.float64)
    alone = (one + other[_UNMIRRORED]) / 2
    return ImageCheckScores(
        not_chest=-float(alone[CHEST]),
        inverted=float(alone[INVERTED]),
        cut_off=float(alone[CUT_OFF]),
        rotated=_odds(alone, [1, 3, 5, 7], [0, 2, 4, 6]),
        upside_down=_odds(alone, [2, 6], [0, 4]),
        mirrored=float(((one[4] - one[0]) - (other[4] - other[0])) / 2),
    )


def _odds(logits: NDArray[np.float64], those: list[int], others: list[int]) -> float:
    return float(np.logaddexp.reduce(logits[those]) - np.logaddexp.reduce(logits[others]))
