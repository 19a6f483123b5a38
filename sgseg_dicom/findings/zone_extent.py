"""
Which of a lung's zones its marked region reaches, as far as the height in the image shows it.

A zone's bounds are not in the image, and the zones overlap in height. So only what is nearly sure is reported. In the
train images of QaTa-COV19, 10,380 lungs with a region drawn by experts, the caption names the upper zone in 97 % of
the lungs whose region has 0.5 % of the image in the topmost 27 % of its rows; the lower zone in 98 % of those that
have 0.2 % of it below 58 % of the rows; and the middle one in 95 % of those that reach both and have 1 % of it
between 42 and 56 % of the rows (training/LOG.md). No single band shows the middle zone.
"""

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.zones import ZoneBits

_UPPER_ENDS = 60 / 224
_LOWER_BEGINS = 130 / 224
_MIDDLE = (95 / 224, 125 / 224)
_UPPER_SHARE, _MIDDLE_SHARE, _LOWER_SHARE = 250 / 224**2, 500 / 224**2, 100 / 224**2


def reached(right: NDArray[np.bool_], left: NDArray[np.bool_]) -> ZoneBits:
    """
    Say which zones the regions reach, in the order of `sgseg_dicom.zones.ZONES`.

    Args:
        right, left: of the patient's lungs, bool (rows, columns) in the standard display, head up.
    """
    return (*_levels(right), *_levels(left))


def _levels(region: NDArray[np.bool_]) -> tuple[bool, bool, bool]:
    shares = np.count_nonzero(region, axis=1) / region.size
    rows = len(shares)

    def within(start: float, stop: float) -> float:
        return float(shares[round(start * rows) : round(stop * rows)].sum())

    upper = within(0, _UPPER_ENDS) >= _UPPER_SHARE
    lower = within(_LOWER_BEGINS, 1) >= _LOWER_SHARE
    return upper, upper and lower and within(*_MIDDLE) >= _MIDDLE_SHARE, lower
