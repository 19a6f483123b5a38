"""
The six lung zones, in PATIENT laterality, and the grammar sentence <-> zones. Pure.

The captions of QaTa-COV19 name the side of the image ("left lung" is the image's left half, the
patient's right lung): `training.data` turns them once, where they are read. Everything else, this module
included, speaks of the patient.
"""

import re
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from sgseg_dicom.errors import SgsegError


class Laterality(Enum):
    """A lung of the PATIENT (Image Laterality (0020,0062) values)."""

    RIGHT = "R"
    LEFT = "L"

    @property
    def word(self) -> str:
        """The word "right" or "left"."""
        return self.name.lower()


HALVES = (Laterality.RIGHT, Laterality.LEFT)
"""Which lung of the patient lies in which half of the standard display, from the image's left."""


class Level(Enum):
    """A part of a lung by height (CID 6171 names it a lung zone)."""

    UPPER = "upper"
    MIDDLE = "middle"
    LOWER = "lower"


class Zone(NamedTuple):
    """One of the six zones."""

    laterality: Laterality
    level: Level

    @property
    def name(self) -> str:
        """For example "right lower"."""
        return f"{self.laterality.word} {self.level.value}"


ZONES: tuple[Zone, ...] = tuple(Zone(side, level) for side in Laterality for level in Level)
"""The order of every zone vector: right upper, middle, lower, then left. Weights manifests repeat it."""

MIRROR_ORDER = (3, 4, 5, 0, 1, 2)
"""Places of the zones in the horizontally flipped image, for arrays; for bits see `mirrored`."""

ZoneBits = tuple[bool, bool, bool, bool, bool, bool]
"""One truth value per zone, in the order of ZONES."""

REPORT_COUNT = 2 ** len(ZONES)
NO_INFECTION = "no pulmonary infection."
"""What the captions say, and what the network learned: the row of no zone in its table of reports."""

NOTHING_FOUND = "No signs of infection found; nothing else was judged."
"""What readers are told instead: that none was found is no proof that there is none."""

_NONE = (
    NO_INFECTION.rstrip("."),
    NOTHING_FOUND.lower().rstrip("."),
    "no infection",  # in captions of other data sets
)
_COUNT_WORDS = ("no", "one", "two", "three", "four", "five", "six")


_LEVELS = re.compile(r"\b(?:all|upper|middle|lower)\b")
_JOINED = re.compile(rf"(?:\s*(?:[,/&+-]|\band\b))+\s*(?={_LEVELS.pattern})")
_DENIED = re.compile(r"\b(?:no|not|without|free)\b")


class UnknownReport(SgsegError):
    """A sentence outside the grammar."""


def report_of(zones: Sequence[bool]) -> str:
    """
    Write the location report of *zones* (paper section 2.3, in the wording of the captions).

    Lower case and ASCII, for example "unilateral pulmonary infection, one infected area, lower right lung."
    """
    bits = _checked(zones)
    if not any(bits):
        return NO_INFECTION
    return _report(bits, (Laterality.LEFT, Laterality.RIGHT))


def sentence_of(zones: Sequence[bool]) -> str:
    """
    Write the report as a sentence for readers: with a capital and the right lung first, or `NOTHING_FOUND`.

    Readers go through a chest from the patient's right to the left. The captions name the left lung first.
    """
    bits = _checked(zones)
    if not any(bits):
        return NOTHING_FOUND
    report = _report(bits, (Laterality.RIGHT, Laterality.LEFT))
    return report[0].upper() + report[1:]


def zones_of(report: str) -> ZoneBits:
    """
    Read the zones of a *report*; "all left lung" means upper, middle and lower.

    The count word is not read: the captions as first annotated count sides, the refined ones zones. Levels may be
    joined as people join them: "upper and lower left lung", "upper, middle/lower left lung". Of no zone it reads the
    caption and the sentence for readers.

    Raises:
        UnknownReport: the sentence is outside the grammar, for example names a lung without its side, a level
            without its lung, or denies something.
    """
    text = _JOINED.sub(" ", " ".join(report.lower().split()).rstrip("."))
    if text in _NONE:
        return (False,) * 6
    phrases = re.findall(
        r"((?:all|upper|middle|lower)(?: (?:all|upper|middle|lower))*) (left|right) lung", text
    )
    levels = sum(len(words.split()) for words, _ in phrases)
    if not phrases or text.count(" lung") != len(phrases) or len(_LEVELS.findall(text)) != levels:
        raise UnknownReport(f"not a location report: {report!r}")
    if _DENIED.search(text):
        raise UnknownReport(f"not a location report: {report!r} denies something")
    present = {
        (side, level.value)
        for words, side in phrases
        for level in Level
        if level.value in words.split() or "all" in words.split()
    }
    return _checked([(zone.laterality.word, zone.level.value) in present for zone in ZONES])


def index_of(zones: Sequence[bool]) -> int:
    """Give the row of *zones* in a table of all 64 reports; the first zone is the lowest bit."""
    return sum(1 << place for place, present in enumerate(_checked(zones)) if present)


def zones_at(index: int) -> ZoneBits:
    """Give the zones of row *index*, the way back from `index_of`."""
    if not 0 <= index < REPORT_COUNT:
        raise ValueError(f"report index {index} is not within 0 and {REPORT_COUNT - 1}")
    return _checked([bool(index >> place & 1) for place in range(len(ZONES))])


def mirrored(zones: Sequence[bool]) -> ZoneBits:
    """Swap the lungs: the zones of the horizontally flipped image."""
    bits = _checked(zones)
    return bits[3:] + bits[:3]


def _report(bits: ZoneBits, order: Sequence[Laterality]) -> str:
    lungs = [text for side in order if (text := _lung_phrase(bits, side))]
    spread = "bilateral" if len(lungs) == 2 else "unilateral"
    count = sum(bits)
    areas = "area" if count == 1 else "areas"
    return f"{spread} pulmonary infection, {_COUNT_WORDS[count]} infected {areas}, {' and '.join(lungs)}."


def _lung_phrase(bits: ZoneBits, side: Laterality) -> str:
    levels = [
        zone.level.value
        for zone, present in zip(ZONES, bits, strict=True)
        if present and zone.laterality is side
    ]
    return f"{' '.join(levels)} {side.word} lung" if levels else ""


def _checked(zones: Sequence[bool]) -> ZoneBits:
    if len(zones) != len(ZONES):
        raise ValueError(f"{len(zones)} zones given; there are {len(ZONES)}: {[zone.name for zone in ZONES]}")
    upper_r, middle_r, lower_r, upper_l, middle_l, lower_l = (bool(zone) for zone in zones)
    return (upper_r, middle_r, lower_r, upper_l, middle_l, lower_l)
