"""Rules for what a report says in English of the shares of the lungs, and of the severity score."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

from sgseg_dicom.check.rules import Broken, Rule
from sgseg_dicom.zones import Laterality

_SHARE = re.compile(
    r"Infected region, (right|left) lung: ([\d.]+) % of the (right|left) lung's area in this image\."
)
_SEVERITY = re.compile(r"Severity score (\d+) of 8 \(right lung (\d+), left lung (\d+)\)")
_BOTH = re.compile(r"Both lungs together: ([\d.]+) % of their area in this image\.")
_ROUNDING = 0.051
"""Percent: words and measurement are both rounded to a tenth."""


def shares_told(
    lines: Sequence[str], measured: Mapping[Laterality, float] | None, where: str
) -> Iterator[Broken]:
    """
    Check the words against what is *measured*, in percent; None where no coded report is at hand.

    A lung whose share is not told has no region: its score is 0.
    """
    found = [match for line in lines if (match := _SHARE.fullmatch(line))]
    told = {Laterality[match[1].upper()]: float(match[2]) for match in found}
    sound = all(match[1] == match[3] and 0 <= float(match[2]) <= 100 for match in found)
    if not sound or len(told) != len(found) or (measured is not None and not _is_same(told, measured)):
        yield Rule.SHARE_TOLD, where
    for match in filter(None, map(_SEVERITY.match, lines)):
        total, right, left = map(int, match.groups())
        scores = {Laterality.RIGHT: right, Laterality.LEFT: left}
        if total != right + left or any(
            score_of(told.get(side, 0.0)) != score for side, score in scores.items()
        ):
            yield Rule.SEVERITY_TOLD, where


def is_share(line: str, side: Laterality) -> bool:
    """Whether a line tells the share of a lung of *side*."""
    match = _SHARE.fullmatch(line)
    return match is not None and match[1] == side.word


def both_told(lines: Sequence[str]) -> list[float]:
    """Give the percents of both lungs that the lines tell."""
    return [float(match[1]) for line in lines if (match := _BOTH.fullmatch(line))]


def severity_told(lines: Sequence[str]) -> list[float]:
    """Give the scores of both lungs together that the lines tell."""
    return [float(match[1]) for line in lines if (match := _SEVERITY.match(line))]


def _is_same(told: Mapping[Laterality, float], measured: Mapping[Laterality, float]) -> bool:
    return told.keys() == measured.keys() and all(
        abs(told[side] - measured[side]) <= _ROUNDING for side in told
    )


def score_of(percent: float) -> int:
    """Give the score of a lung by its share in tenths of a percent, written down here a second time."""
    return 1 + bisect_right((25.0, 50.0, 75.0), round(percent, 1)) if percent else 0
