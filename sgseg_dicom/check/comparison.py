"""Rules for what reports say of an earlier film of the patient, coded and in English."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sgseg_dicom.check import vocabulary as v
from sgseg_dicom.check.attributes import items, referenced, text
from sgseg_dicom.check.content_tree import Item
from sgseg_dicom.check.measurement_groups import Group, percent_of
from sgseg_dicom.check.rules import Broken, Rule
from sgseg_dicom.zones import Laterality

_WORDS = {"more": v.INCREASE, "less": v.DECREASE, "no clear change": v.NO_CHANGE}
_PART = r"(nothing marked|[\d.]+ % of its area)"
_TOLD = re.compile(
    rf"(Right|Left) lung, compared with the image of (\d{{4}}-\d\d-\d\d)(?: \d\d:\d\d)?: {_PART} then, {_PART} now: "
    rf"({'|'.join(_WORDS)}) \(limit: ([\d.]+) percentage points\)\."
)
_ROUNDING = 0.051
"""Percent: words and measurements are rounded to a tenth."""


class Coded(NamedTuple):
    """What a report codes of one lung: percent then and now, the earlier image's date, and the change."""

    before: float
    now: float
    date: str
    change: tuple[str, str]


def earlier_images(root: Item) -> set[tuple[str, str]]:
    """Give class and instance of the images on which earlier shares were measured."""
    return {
        referenced(target)
        for item in root.walk()
        if item.name == v.SHARE_BEFORE
        for source in item.all(v.SOURCE_OF_MEASUREMENT)
        for target in items(source.ds, "ReferencedSOPSequence")
    }


def coded_comparison(groups: Sequence[Group]) -> Iterator[Broken]:
    """Check that each earlier share has side, date, image and change; and that the change fits the numbers."""
    found = [(side_of(item), item) for about in groups for item in about.item.all(v.SHARE_BEFORE)]
    changes = [(side_of(item), item) for about in groups for item in about.item.all(v.DIFFERENCE)]
    sides = [side for side, _ in found]
    if len(set(sides)) != len(sides) or sorted(map(str, sides)) != sorted(str(side) for side, _ in changes):
        yield Rule.COMPARISON_CODED, v.SHARE_BEFORE[0]
    for side, item in found:
        sources = [one for source in item.all(v.SOURCE_OF_MEASUREMENT) for one in _targets(source)]
        if side is None or len(sources) != 1 or not _date(item) or not 0 <= percent_of(item) <= 100:
            yield Rule.COMPARISON_CODED, item.path
    for side, one in compared_of(groups).items():
        if not _fits(one):
            yield Rule.COMPARISON_CHANGE, f"{v.DIFFERENCE[0]}, {side.word} lung"


def compared_of(groups: Sequence[Group]) -> dict[Laterality, Coded]:
    """Read what is coded of each lung; a lung without a share of this film has nothing marked on it."""
    now = {about.side: percent_of(item) for about in groups for item in about.shares}
    changes = {side_of(item): item.code for about in groups for item in about.item.all(v.DIFFERENCE)}
    return {
        side: Coded(percent_of(item), now.get(side, 0.0), _date(item), changes.get(side, ("", "")))
        for about in groups
        for item in about.item.all(v.SHARE_BEFORE)
        if (side := side_of(item))
    }


def told_comparison(
    lines: Sequence[str], coded: Mapping[Laterality, Coded] | None, where: str
) -> Iterator[Broken]:
    """Check English lines against what is *coded*, and their numbers against the limit; None: no coded report."""
    found = [match for line in lines if (match := _TOLD.fullmatch(line))]
    told = {Laterality[match[1].upper()]: match for match in found}
    sound = len(told) == len(found) == sum(", compared with the image of" in line for line in lines)
    if not sound or any(not _keeps_limit(match) for match in found):
        yield Rule.COMPARISON_TOLD, where
    if coded is None:
        return
    if told.keys() != coded.keys() or any(not _same(match, coded[side]) for side, match in told.items()):
        yield Rule.COMPARISON_TOLD, where


def side_of(item: Item) -> Laterality | None:
    """Read the side of an item's own finding site; None where it does not say exactly one."""
    site = item.only(v.SITE)
    side = site.only(v.LATERALITY) if site else None
    return v.SIDES.get(side.code) if side else None


def _fits(one: Coded) -> bool:
    difference = round(one.now - one.before, 1)
    if one.change == v.INCREASE:
        return difference > 0
    if one.change == v.DECREASE:
        return difference < 0
    return one.change == v.NO_CHANGE


def _keeps_limit(match: "re.Match[str]") -> bool:
    """Whether "more" and "less" are said above the limit alone, in the direction of the numbers."""
    difference = round(_percent(match[4]) - _percent(match[3]), 1)
    if abs(difference) <= float(match[6]):
        return match[5] == "no clear change"
    return match[5] == ("more" if difference > 0 else "less")


def _same(match: "re.Match[str]", coded: Coded) -> bool:
    return (
        abs(_percent(match[3]) - coded.before) <= _ROUNDING
        and abs(_percent(match[4]) - coded.now) <= _ROUNDING
        and match[2].replace("-", "") == coded.date
        and _WORDS[match[5]] == coded.change
    )


def _percent(words: str) -> float:
    return 0.0 if words == "nothing marked" else float(words.split(" ")[0])


def _targets(source: Item) -> list[tuple[str, str]]:
    return [referenced(target) for target in items(source.ds, "ReferencedSOPSequence")]


def _date(item: Item) -> str:
    """Give the earlier image's date, eight digits; "" where there is not exactly one."""
    dates = item.all(v.DATE_BEFORE)
    written = text(dates[0].ds, "Date") if len(dates) == 1 else ""
    return written if re.fullmatch(r"\d{8}", written) else ""
