"""What is reported of one zone, by the share of it that is marked. All limits stand here; pure."""

from enum import StrEnum

ABSENT_BELOW = 0.02
"""
Share of a zone, marked, from which the zone is not called free.

On 715 films of QaTa-COV19's valid split, the captions name 10 % of the zones that the sentence leaves out where less
is marked, and 31 % where 2 to 10 % is.
"""

PRESENT_FROM = 0.05
"""
Share of a zone, marked, from which the mask agrees that the zone is infected.

Of 17 zones that the sentence names with less than that and a probability below 0.9, the captions name half.
"""

NEARLY_SURE = 0.9
"""Calibrated probability from which a named zone is reported without a mask that agrees."""


class Judgement(StrEnum):
    """What is reported of one zone."""

    PRESENT = "present"
    ABSENT = "absent"
    UNDETERMINED = "undetermined"


def judged_by_share(*, named: bool, probability: float, share: float) -> Judgement:
    """
    Judge a zone of a lung that the lung model found.

    Args:
        named: whether the location sentence names the zone.
        probability: the zone's calibrated probability, 0 to 1; NaN counts as unsure.
        share: the marked share of the zone's area, 0 to 1.
    """
    if named:
        agreed = share >= PRESENT_FROM or probability >= NEARLY_SURE
        return Judgement.PRESENT if agreed else Judgement.UNDETERMINED
    return Judgement.ABSENT if share < ABSENT_BELOW else Judgement.UNDETERMINED
