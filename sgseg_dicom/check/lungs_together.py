"""Rules for what a coded report measures of both lungs together: their share, and the severity score."""

from collections.abc import Iterator, Sequence

from sgseg_dicom.check import vocabulary as v
from sgseg_dicom.check.attributes import code, items, number
from sgseg_dicom.check.content_tree import Item
from sgseg_dicom.check.measurement_groups import Group, percent_of
from sgseg_dicom.check.rules import Broken, Rule
from sgseg_dicom.check.shares_told import both_told, score_of, severity_told
from sgseg_dicom.zones import Laterality

_ROUNDING = 0.051


def both_lungs(groups: Sequence[Group], texts: Sequence[str] | None) -> Iterator[Broken]:
    """
    Check the share of both lungs and the score against those of each lung, and against the words.

    Args:
        groups: of the report.
        texts: what it says in English; None: it says it in another language.
    """
    shares = [item for about in groups for item in about.item.all(v.SHARE_OF_BOTH)]
    scores = [item for about in groups for item in about.item.all(v.SEVERITY)]
    # A lung without a region has no share among the groups: nothing of it is marked.
    of_lungs = {side: 0.0 for side in Laterality}
    of_lungs |= {about.side: percent_of(item) for about in groups if about.side for item in about.shares}
    for item in shares:
        if not _is_of_both(item, list(of_lungs.values())) or len(shares) > 1:
            yield Rule.SHARE_OF_BOTH, item.path
    for item in scores:
        if _score(item) != sum(map(score_of, of_lungs.values())) or len(scores) > 1:
            yield Rule.SEVERITY_SCORE, item.path
    if texts is not None:
        told, said = both_told(texts), severity_told(texts)
        coded = [percent_of(item) for item in shares]
        if len(told) != len(coded) or any(abs(a - b) > _ROUNDING for a, b in zip(told, coded, strict=True)):
            yield Rule.SHARE_TOLD, v.SHARE_OF_BOTH[0]
        if said != [_score(item) for item in scores]:
            yield Rule.SEVERITY_TOLD, v.SEVERITY[0]


def _is_of_both(item: Item, percents: Sequence[float]) -> bool:
    site = item.only(v.SITE)
    side = site.only(v.LATERALITY) if site else None
    if side is None or side.code != v.BILATERAL:
        return False
    return min(percents) - _ROUNDING <= percent_of(item) <= max(percents) + _ROUNDING


def _score(item: Item) -> float:
    measured = items(item.ds, "MeasuredValueSequence")
    if len(measured) != 1 or code(measured[0], "MeasurementUnitsCodeSequence") != v.SCORE_UNIT:
        return -1.0
    return number(measured[0], "NumericValue")
