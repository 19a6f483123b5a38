"""Rules for a TID 1500 report: its groups together, and what it says of the six zones."""

from collections.abc import Iterator

from pydicom import Dataset

from sgseg_dicom.check import vocabulary as v
from sgseg_dicom.check.attributes import Code
from sgseg_dicom.check.case import Case, equipment_of
from sgseg_dicom.check.comparison import coded_comparison, compared_of, told_comparison
from sgseg_dicom.check.content_tree import Item
from sgseg_dicom.check.lungs_together import both_lungs
from sgseg_dicom.check.measurement_groups import Group, group, groups_of, percent_of
from sgseg_dicom.check.rules import Broken, Rule
from sgseg_dicom.check.segmentation import Segments
from sgseg_dicom.check.shares_told import shares_told
from sgseg_dicom.check.structured_report import document, evidence_of, has_root
from sgseg_dicom.errors import SgsegError
from sgseg_dicom.zones import ZONES, Laterality, Zone, ZoneBits, zones_of


def report(name: str, segments: Segments, case: Case) -> Iterator[Broken]:
    """Check a Measurement Report against itself and against the Segmentations beside it."""
    sr, root = case.objects[name], case.contents[name]
    groups = groups_of(root)
    yield from document(sr, root, segments, case)
    if not has_root(root, v.MEASUREMENT_REPORT, "1500"):
        yield Rule.SR_ROOT, "ConceptNameCodeSequence"
    procedure = root.only(v.PROCEDURE_REPORTED)
    if procedure is None or not all(procedure.code):
        yield Rule.SR_PROCEDURE, v.PROCEDURE_REPORTED[0]
    if not groups:
        yield Rule.GROUP_THERE, v.IMAGING_MEASUREMENTS[0]
    for about in groups:
        yield from group(about, equipment_of(sr), segments, case)
    yield from _together(sr, groups, segments)
    evaluations = root.only(v.EVALUATIONS)
    if evaluations is None:
        yield Rule.SIX_ZONES, v.EVALUATIONS[0]
    else:
        yield from _evaluations(evaluations, groups)
        yield from _shares(root, evaluations, groups)


def _together(sr: Dataset, groups: list[Group], segments: Segments) -> Iterator[Broken]:
    """Check that an outline, which viewers draw, reports every segment; so does a reference to it as evidence."""
    evidence = {uid for _, uid in evidence_of(sr)}
    for uid, several in segments.items():
        for segment in several:
            tracked = [g for g in groups if g.item.text_under(v.TRACKING_UID) == segment.tracking_uid]
            drawn, referenced = any(g.outlines for g in tracked), any(g.segments for g in tracked)
            if not drawn or (uid in evidence and not referenced):
                yield Rule.SEGMENT_REPORTED, f"{v.IMAGING_MEASUREMENTS[0]}, segment {segment.number}"


def _evaluations(evaluations: Item, groups: list[Group]) -> Iterator[Broken]:
    judged = dict[Zone, Code]()
    for item in evaluations.all(v.INFECTION):
        zone = zone_of(item)
        if zone is None or zone in judged:
            yield Rule.SIX_ZONES, item.path
        else:
            judged[zone] = item.code
        if item.code not in v.JUDGEMENTS:
            yield Rule.ZONE_JUDGED, item.path
    if len(judged) != len(ZONES):
        yield Rule.SIX_ZONES, evaluations.path
        return
    marked = {g.side for g in groups if g.is_region and g.side}
    sentence = sentence_of(evaluations)
    if sentence is None:
        yield Rule.SENTENCE, evaluations.path
    measured = shares_of(groups)
    for side in Laterality:
        yield from _lung(
            side, judged, sentence, evaluations.path, marked=side in marked, share=measured.get(side)
        )
    found = bool(marked) or set(judged.values()) != {v.ABSENT}
    yield from _summary(evaluations, found)
    yield from _whole_image(groups, judged)


def _shares(root: Item, evaluations: Item, groups: list[Group]) -> Iterator[Broken]:
    """Check that the share of a lung is measured once, and that the text says the same."""
    sides = [about.side for about in groups for _ in about.shares]
    if len(set(sides)) != len(sides):
        yield Rule.SHARE_OF_LUNG, v.IMAGING_MEASUREMENTS[0]
    language = root.only(v.LANGUAGE)
    yield from coded_comparison(groups)
    if language is None or language.code[0] != "en":  # the words of other languages are not understood
        yield from both_lungs(groups, None)
        return
    texts, where = [item.text for item in evaluations.all(v.COMMENT)], f"{evaluations.path}/{v.COMMENT[0]}"
    yield from shares_told(texts, shares_of(groups), where)
    yield from both_lungs(groups, texts)
    yield from told_comparison(texts, compared_of(groups), where)


def shares_of(groups: list[Group]) -> dict[Laterality, float]:
    """Give the percentage of each lung that a report measures; none where it measures none."""
    return {about.side: percent_of(share) for about in groups if about.side for share in about.shares}


def sentence_of(evaluations: Item) -> ZoneBits | None:
    """
    Read the location sentence: the finding that is in the canonical (English) wording.

    A report for readers of another language says it in theirs too. None where there is no such finding, or
    where two say different things.
    """
    read = set()
    for item in evaluations.all(v.FINDING):
        try:
            read.add(zones_of(item.text))
        except SgsegError:
            continue
    return read.pop() if len(read) == 1 else None


def zone_of(item: Item) -> Zone | None:
    """Read the zone that a judgement is about; None where it does not name exactly one."""
    site = item.only(v.SITE)
    side = site.only(v.LATERALITY) if site else None
    if site is None or side is None or site.code not in v.LEVELS or side.code not in v.SIDES:
        return None
    return Zone(v.SIDES[side.code], v.LEVELS[site.code])


def _lung(
    side: Laterality,
    judged: dict[Zone, Code],
    sentence: ZoneBits | None,
    path: str,
    *,
    marked: bool,
    share: float | None,
) -> Iterator[Broken]:
    """
    Check that zones, sentence and mask say the same of a lung, or Undetermined.

    Where a *share* of the lung is measured, each zone of a lung that is named and marked may be Undetermined.
    """
    judgements = [judged[zone] for zone in ZONES if zone.laterality is side]
    named = sentence and [bit for zone, bit in zip(ZONES, sentence, strict=True) if zone.laterality is side]
    where = f"{path}, {side.word} lung"
    unsure = [judgement == v.UNDETERMINED for judgement in judgements]
    if named is not None and any(named) != marked:
        if not all(unsure):
            yield Rule.UNDETERMINED_LUNG, where
        if any(unsure):
            return
    elif share is not None and named is not None and marked:
        sure = [(bit, word) for bit, word in zip(named, judgements, strict=True) if word != v.UNDETERMINED]
        if any(bit != (word == v.PRESENT) for bit, word in sure):
            yield Rule.SENTENCE_AND_ZONES, where
        return
    elif named is None or not marked or all(unsure):
        if any(unsure):
            yield Rule.UNDETERMINED_LUNG, where
            return
    elif any(doubt and bit for doubt, bit in zip(unsure, named, strict=True)):
        yield Rule.UNDETERMINED_ZONE, where
        return
    if (v.PRESENT in judgements) != marked:
        yield Rule.ZONES_AND_MASK, where
    if named is not None and named != [judgement == v.PRESENT for judgement in judgements]:
        yield Rule.SENTENCE_AND_ZONES, where


def _summary(evaluations: Item, found: bool) -> Iterator[Broken]:
    summary = evaluations.only(v.SUMMARY)
    if summary is None or summary.code != (v.WITH_FINDINGS if found else v.WITHOUT_FINDINGS):
        yield Rule.SUMMARY, f"{evaluations.path}/{v.SUMMARY[0]}"


def _whole_image(groups: list[Group], judged: dict[Zone, Code]) -> Iterator[Broken]:
    expected = v.ABSENT if set(judged.values()) == {v.ABSENT} else v.UNDETERMINED
    for about in groups:
        if not about.is_region:
            judgement = about.item.only(v.INFECTION)
            if judgement is None or judgement.code != expected:
                yield Rule.WHOLE_IMAGE_JUDGED, about.item.path
