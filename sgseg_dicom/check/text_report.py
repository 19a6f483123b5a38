"""Rules for reports in words (Basic Text SR, TID 2000): of a finding, and of an image that was not judged."""

import re
from collections.abc import Iterator
from contextlib import suppress

from sgseg_dicom.check import vocabulary as v
from sgseg_dicom.check.case import Case
from sgseg_dicom.check.comparison import Coded, compared_of, told_comparison
from sgseg_dicom.check.content_tree import Item
from sgseg_dicom.check.measurement_groups import groups_of
from sgseg_dicom.check.measurement_report import shares_of, zone_of
from sgseg_dicom.check.rules import Broken, Rule
from sgseg_dicom.check.segmentation import Segments
from sgseg_dicom.check.shares_told import is_share, shares_told
from sgseg_dicom.check.structured_report import document, has_root
from sgseg_dicom.errors import SgsegError
from sgseg_dicom.zones import NO_INFECTION, NOTHING_FOUND, ZONES, Laterality, Level, Zone, ZoneBits, zones_of

_JUDGING = (
    *v.JUDGEMENTS,
    *(v.NORMAL, v.INFECTION, v.WITHOUT_FINDINGS, v.WITH_FINDINGS, v.NONE_SUCCEEDED),
)
_WORD_OF = {True: "signs of infection", False: "no signs of infection"}
_WORDS = {v.PRESENT: _WORD_OF[True], v.ABSENT: _WORD_OF[False], v.UNDETERMINED: "undetermined"}
_ZONE = re.compile(rf"(Right|Left) (upper|middle|lower) zone: ({'|'.join(_WORDS.values())})")
_CLEAR = (NO_INFECTION.rstrip("."), NOTHING_FOUND.lower().split(";")[0])
_STATUS = (v.NOT_JUDGED_STATUS, v.NOT_JUDGED_REASON)
_NORMAL, _NOT = re.compile(r"\bnormal\b"), re.compile(r"\bnot\b")


def words(name: str, segments: Segments, case: Case) -> Iterator[Broken]:
    """Check a report in words; one with a status is an answer, any other must have findings."""
    root = case.contents[name]
    yield from document(case.objects[name], root, segments, case)
    if not has_root(root, v.TEXT_REPORT, "2000"):
        yield Rule.SR_ROOT, "ConceptNameCodeSequence"
    if any(item.name in _STATUS for item in root.walk()):
        yield from _not_judged(root)
    else:
        yield from _findings(root, segments, case)


def _not_judged(root: Item) -> Iterator[Broken]:
    stated = [item for item in root.walk() if item.name in _STATUS]
    states = [item.code for item in stated if item.name == v.NOT_JUDGED_STATUS]
    reasons = [item.code for item in stated if item.name == v.NOT_JUDGED_REASON]
    if states not in ([v.FAILED], [v.NOT_ATTEMPTED]) or len(reasons) != 1 or not all(reasons[0]):
        yield Rule.ANSWER_CODED, v.NOT_JUDGED_STATUS[0]
    english = _language(root)[0].startswith("en")
    for item in root.walk():
        judging = item.name in (v.FINDINGS_SECTION, v.FINDING, v.SUMMARY, *_JUDGING) or item.code in _JUDGING
        if judging or (item.type == "TEXT" and _reads_as_judged(item.text, english=english)):
            yield Rule.ANSWER_SILENT, item.path


def _reads_as_judged(words: str, *, english: bool) -> bool:
    """Whether words say a location report, or "normal" without a "not"; other languages' are not understood."""
    plain = words.lower()
    if any(words in plain for words in _CLEAR):
        return True
    if english and _NORMAL.search(plain) and not _NOT.search(plain):
        return True
    try:
        zones_of(words)
    except SgsegError:
        return False
    return True


def _findings(root: Item, segments: Segments, case: Case) -> Iterator[Broken]:
    sections = root.all(v.FINDINGS_SECTION)
    findings = [item.text for section in sections for item in section.all(v.FINDINGS_SECTION) if item.text]
    summaries = root.all(v.SUMMARY_SECTION)
    summary = [item.text for section in summaries for item in section.all(v.SUMMARY_SECTION) if item.text]
    lines = [*summary, *findings]
    if not findings or len(lines) < 1 + len(ZONES):
        yield Rule.TEXT_FINDINGS, v.FINDINGS_SECTION[0]
        return
    where = f"{sections[0].path}/{v.FINDINGS_SECTION[0]}"
    sentences = _sentences(_language(root), case)
    first = [*summary, findings[0]]  # up to 0.3.0 the sentence stood in the findings
    if sentences and not sentences & set(first):
        yield Rule.TEXT_SENTENCE, f"{where}[1]"
    if _language(root)[0] == "en":  # the words of other languages are not understood
        yield from _english(first, lines, segments, case, where)
        for measured in list(_measured(case)):
            yield from shares_told(lines, measured, where)
        yield from shares_told(lines, None, where)
        for compared in _compared(case):
            yield from told_comparison(lines, compared, where)
        yield from told_comparison(lines, None, where)


def _english(
    first: list[str], lines: list[str], segments: Segments, case: Case, where: str
) -> Iterator[Broken]:
    """Check that sentence, zones, mask and the coded report say the same of a lung in words, or undetermined."""
    read = set(_read_zones(first))
    if len(read) != 1:
        yield Rule.TEXT_SENTENCE, f"{where}[1]"
        return
    sentence = dict(zip(ZONES, read.pop(), strict=True))
    judged = {
        Zone(Laterality[m[1].upper()], Level(m[2])): m[3] for line in lines if (m := _ZONE.fullmatch(line))
    }
    if set(judged) != set(ZONES):
        yield Rule.TEXT_FINDINGS, where
        return
    marked = {segment.side for several in segments.values() for segment in several}
    for side in Laterality:
        zones = [zone for zone in ZONES if zone.laterality is side]
        words = [judged[zone] for zone in zones]
        disagree = bool(segments) and any(sentence[zone] for zone in zones) != (side in marked)
        unsure = set(words) == {"undetermined"} and (disagree or not segments)
        # A region may reach further zones than are named; where the lung is measured, also fewer.
        named = (side in marked or not segments) and any(sentence[zone] for zone in zones)
        measured = any(is_share(line, side) for line in lines)
        fits = [
            word == _WORD_OF[sentence[zone]]
            or (named and word == "undetermined" and (measured or not sentence[zone]))
            for zone, word in zip(zones, words, strict=True)
        ]
        as_coded = all(
            coded.get(zone, judged[zone]) == judged[zone] for coded in _coded(case) for zone in zones
        )
        if not as_coded or (not unsure and (disagree or not all(fits))):
            yield Rule.TEXT_ZONES, f"{where}, {side.word} lung"


def _read_zones(lines: list[str]) -> Iterator[ZoneBits]:
    """Read the lines that are location reports."""
    for line in lines:
        with suppress(SgsegError):
            yield zones_of(line)


def _coded(case: Case) -> Iterator[dict[Zone, str]]:
    """Give what each coded report says of the zones, in the words of the text."""
    for root in case.contents.values():
        evaluations = root.only(v.EVALUATIONS)
        judged = evaluations.all(v.INFECTION) if evaluations else []
        yield {zone: _WORDS[item.code] for item in judged if (zone := zone_of(item)) and item.code in _WORDS}


def _measured(case: Case) -> Iterator[dict[Laterality, float]]:
    """Give what each coded report measures of the lungs, in percent."""
    for root in case.contents.values():
        if root.only(v.EVALUATIONS):
            yield shares_of(groups_of(root))


def _compared(case: Case) -> Iterator[dict[Laterality, Coded]]:
    """Give what each coded report says of an earlier film."""
    for root in case.contents.values():
        if root.only(v.EVALUATIONS):
            yield compared_of(groups_of(root))


def _language(root: Item) -> tuple[str, str]:
    language = root.only(v.LANGUAGE)
    return language.code if language else ("", "")


def _sentences(language: tuple[str, str], case: Case) -> set[str]:
    """Give what coded reports for readers of *language* say first."""
    found = set()
    for root in case.contents.values():
        evaluations = root.only(v.EVALUATIONS)
        findings = evaluations.all(v.FINDING) if evaluations else []
        if findings and _language(root) == language:
            found.add(findings[0].text)
    return found
