"""Wilson's interval of a share: honest for small numbers and near 0 and 1 (Wilson, J Am Stat Assoc 1927)."""

import math

_Z = 1.959963984540054
"""Two-sided 95 % of the normal distribution."""


def wilson_interval(count: int, n: int) -> tuple[float, float]:
    """
    Give the 95 % interval of the share *count* of *n*. Of nothing nothing is known: 0 to 1.

    Each film counts as independent. Films of one patient are not, so the true interval is a little wider.
    """
    if n == 0:
        return 0.0, 1.0
    share, spread = count / n, _Z**2 / n
    centre = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)
