"""Every rule of our own check refuses results that break it: one thing is altered in good ones."""

import copy
from typing import Any

import pytest

from sgseg_dicom.check import Rule, require_valid, violations
from sgseg_dicom.errors import InvalidResult, NotApplicable
from sgseg_dicom.extent import extent_of
from sgseg_dicom.refusal_reasons import RefusalReason
from sgseg_dicom.results.not_judged import encode_not_judged
from sgseg_dicom.zones import Laterality
from tests.support.comparing import compared, compared_results
from tests.support.predictions import both_lungs, prediction, read_built, with_lungs
from tests.support.spoiling import (
    AREA,
    CAPTURE,
    LEFT,
    MADE,
    SEG,
    SR,
    STATE,
    TEXT,
    Change,
    Item,
    Objects,
    all_zones_of_a_lung,
    coded,
    cut_off,
    empty,
    equal,
    equipment,
    evaluation,
    find,
    inside,
    member,
    mirror_masks,
    mirror_outline,
    of_another,
    open_outline,
    outline_outside,
    overlap,
    probabilities,
    put,
    report_of_zones,
    results,
    root,
    say_of,
    segment,
    setting,
    shift_outline,
    smaller_seg,
    sr_group,
    stamp_left_on_the_right_lung,
    swap_frames,
    swap_masks,
    take_back,
    track_together,
    unknown_label,
    without,
    zone,
)


@pytest.fixture(scope="module")
def made() -> Any:
    """The objects of an image with a finding in both lungs, and its header; to be copied."""
    return results()


@pytest.fixture(scope="module")
def clear() -> Any:
    """Those of an image without a finding."""
    return results(prediction())


@pytest.fixture(scope="module")
def two_films() -> Any:
    """Those of an image with an earlier one of the patient."""
    return compared_results(*compared({Laterality.RIGHT: 0.02, Laterality.LEFT: 0.5}))


@pytest.fixture(scope="module")
def measured() -> Any:
    """Those of an image whose lungs were found, with a finding in both."""
    return results(with_lungs(both_lungs()))


BOTH, SITE, SIDE, VALUE = "share-of-both", "363698007", "272741003", "MeasuredValueSequence.NumericValue"


def evidence_of_this_study(objects: Objects) -> None:
    """Let the earlier image be of the study of the report."""
    report = objects[SR]
    report.PertinentOtherEvidenceSequence[0].StudyInstanceUID = report.StudyInstanceUID


def say_right(before: str, change: str, limit: str = "1.7") -> str:
    """Write what is said of the right lung and an earlier film."""
    return (
        f"Right lung, compared with the image of 2024-03-01: {before} then, 11.3 % of its area now: {change} "
        f"(limit: {limit} percentage points)."
    )


MUTATIONS: list[tuple[str, Rule, Change]] = [
    ("another SOP class", Rule.KNOWN_FORM, setting(SEG, SOPClassUID="1.2.840.10008.5.1.4.1.1.2")),
    ("no Content Label", Rule.TYPE_1, setting(SEG, ContentLabel=None)),
    ("an empty Series Number", Rule.TYPE_1, setting(SR, SeriesNumber="")),
    ("no Accession Number", Rule.TYPE_2, setting(TEXT, AccessionNumber=None)),
    ("another study", Rule.SAME_STUDY, setting(SR, StudyInstanceUID="2.25.1")),
    ("another patient", Rule.SAME_PATIENT, setting(SR, PatientName="Other^Anne")),
    ("another Patient ID", Rule.SAME_PATIENT, setting(CAPTURE, PatientID="OTHER")),
    ("another birth date", Rule.SAME_PATIENT, setting(SEG, PatientBirthDate="19610401")),
    ("the SR in the SEG's series", Rule.OWN_SERIES, equal("SeriesInstanceUID", SR, SEG)),
    ("the same UID twice", Rule.OWN_INSTANCE, equal("SOPInstanceUID", SR, SEG)),
    ("a UID of a library", Rule.DERIVED_UID, setting(TEXT, SOPInstanceUID="1.2.826.0.1.3680043.8.498.1")),
    ("a UID that is too long", Rule.DERIVED_UID, setting(TEXT, SOPInstanceUID="2.25." + "9" * 60)),
    ("Latin 1", Rule.CHARACTER_SET, setting(SEG, SpecificCharacterSet="ISO_IR 100")),
    ("no Contributing Equipment", Rule.EQUIPMENT, setting(SEG, ContributingEquipmentSequence=None)),
    ("no Device UID", Rule.EQUIPMENT_COMPLETE, equipment(DeviceUID=None)),
    ("no Software Versions", Rule.EQUIPMENT_COMPLETE, equipment(SoftwareVersions="")),
    ("a Device UID of a library", Rule.DERIVED_UID, equipment(DeviceUID="1.2.3")),
    ("another model name", Rule.EQUIPMENT_AGREES, setting(SEG, ManufacturerModelName="Other")),
    ("another algorithm's SR", Rule.ONE_ALGORITHM, equipment(DeviceUID="2.25.7")),
    ("a contribution that is no draft", Rule.DRAFT, equipment(ContributionDescription="Report")),
    ("no Series Description", Rule.DRAFT, setting(STATE, SeriesDescription=None)),
    ("a SEG of another image", Rule.SOURCE_REFERENCED, of_another(SEG)),
    (
        "a frame of another image",
        Rule.SOURCE_REFERENCED,
        member(SEG, "PerFrameFunctionalGroupsSequence.DerivationImageSequence.SourceImageSequence", []),
    ),
    ("an SR of another image", Rule.SOURCE_REFERENCED, of_another(SR)),
    ("a text of another image", Rule.SOURCE_REFERENCED, of_another(TEXT)),
    ("a picture of another image", Rule.SOURCE_REFERENCED, of_another(CAPTURE)),
    ("a state of another image", Rule.SOURCE_REFERENCED, of_another(STATE)),
    ("a picture without annotation", Rule.PICTURE_ANNOTATED, setting(CAPTURE, BurnedInAnnotation="NO")),
    ("the other side as label", Rule.SIDE_WORD, segment(SegmentLabel="Infected region, left lung")),
    (
        "the other side as name",
        Rule.SIDE_WORD,
        put(sr_group("111030", "112039"), TextValue="Infected region, left lung"),
    ),
    ("COMPLETE", Rule.SR_STATE, setting(SR, CompletionFlag="COMPLETE")),
    ("VERIFIED", Rule.SR_STATE, setting(SR, VerificationFlag="VERIFIED")),
    ("FINAL", Rule.SR_STATE, setting(TEXT, PreliminaryFlag="FINAL")),
    ("another title", Rule.SR_ROOT, member(SR, "ConceptNameCodeSequence.CodeValue", "126001")),
    ("another template", Rule.SR_ROOT, member(TEXT, "ContentTemplateSequence.TemplateIdentifier", "2010")),
    ("no procedure reported", Rule.SR_PROCEDURE, without(root(SR), "121058")),
    ("no observer UID", Rule.SR_OBSERVER, without(root(SR), "121012")),
    ("a person as observer", Rule.SR_OBSERVER, coded(lambda o: find(o[SR], "121005"), "121006", "DCM")),
    (
        "another manufacturer as observer",
        Rule.SR_OBSERVER,
        put(lambda o: find(o[TEXT], "121014"), TextValue="Other"),
    ),
    ("no evidence", Rule.SR_EVIDENCE, setting(SR, CurrentRequestedProcedureEvidenceSequence=None)),
    (
        "evidence of another study",
        Rule.SR_EVIDENCE,
        member(TEXT, "CurrentRequestedProcedureEvidenceSequence.StudyInstanceUID", "2.25.1"),
    ),
    ("a SEG that is not there", Rule.SR_SEGMENTATION, lambda o: o.pop(SEG)),
    ("no warning", Rule.SR_ALGORITHM_TOLD, without(evaluation(), "121106")),
    ("no group", Rule.GROUP_THERE, without(lambda o: find(o[SR], "126010"), "125007")),
    (
        "a region in TID 1501",
        Rule.GROUP_TEMPLATE,
        inside(sr_group("111030"), "ContentTemplateSequence.TemplateIdentifier", "1501"),
    ),
    ("no tracking UID", Rule.GROUP_TRACKING, without(sr_group("111030"), "112040")),
    ("no tracking identifier", Rule.GROUP_TRACKING, without(sr_group("121214"), "112039")),
    ("another finding", Rule.GROUP_FINDING, coded(sr_group("111030", "121071"), "254626006")),
    ("a site without side", Rule.GROUP_SITE, without(sr_group("111030", "363698007"), "272741003")),
    ("a site that is no lung", Rule.GROUP_SITE, coded(sr_group("121214", "363698007"), "80891009")),
    ("another algorithm in a group", Rule.GROUP_ALGORITHM, put(sr_group("111030", "111003"), TextValue="0")),
    (
        "an area in cm2",
        Rule.AREA_UNIT,
        inside(
            sr_group("111030", AREA), "MeasuredValueSequence.MeasurementUnitsCodeSequence.CodeValue", "cm2"
        ),
    ),
    (
        "an area of nothing",
        Rule.AREA_UNIT,
        inside(sr_group("111030", AREA), "MeasuredValueSequence.NumericValue", "0"),
    ),
    ("an area without its plane", Rule.AREA_PLANE, without(sr_group("111030", AREA), "370129005")),
    ("an ellipse", Rule.OUTLINE_SHAPE, put(sr_group("111030", "111030"), GraphicType="ELLIPSE")),
    ("an outline outside", Rule.OUTLINE_SHAPE, outline_outside),
    ("an open outline", Rule.OUTLINE_SHAPE, open_outline),
    ("an outline on another image", Rule.OUTLINE_SOURCE, of_another(SR, sr_group("111030", "111030"))),
    ("a mirrored outline", Rule.OUTLINE_SIDE, mirror_outline),
    ("an outline off its mask", Rule.OUTLINE_ON_MASK, shift_outline),
    (
        "no such segment",
        Rule.SEGMENT_EXISTS,
        inside(sr_group("121214", "121214"), "ReferencedSOPSequence.ReferencedSegmentNumber", 3),
    ),
    (
        "a frame number",
        Rule.SEGMENT_FRAME,
        inside(sr_group("121214", "121214"), "ReferencedSOPSequence.ReferencedFrameNumber", 1),
    ),
    ("no source of the segment", Rule.SEGMENT_SOURCE, without(sr_group("121214"), "121233")),
    ("another tracking UID", Rule.SEGMENT_TRACKING, put(sr_group("121214", "112040"), UID="2.25.9")),
    (
        "the other side's segment",
        Rule.SEGMENT_SIDE,
        coded(sr_group("121214", "363698007", "272741003"), *LEFT),
    ),
    ("a segment without outline", Rule.SEGMENT_REPORTED, without(sr_group("111030"), "111030")),
    ("a SEG that no group references", Rule.SEGMENT_REPORTED, without(sr_group("121214"), "121214")),
    ("without findings", Rule.SUMMARY, coded(evaluation("111017"), "111241", "DCM")),
    ("none succeeded", Rule.SUMMARY, coded(evaluation("111017"), "111245", "DCM")),
    ("no zones", Rule.SIX_ZONES, without(evaluation(), "128601007")),
    ("a zone twice", Rule.SIX_ZONES, coded(evaluation("128601007", "363698007"), "281393007")),
    ("no evaluations", Rule.SIX_ZONES, without(root(SR), "C0034375")),
    ("a zone judged possible", Rule.ZONE_JUDGED, zone(0, "371930009")),
    ("a marked lung without zones", Rule.ZONES_AND_MASK, all_zones_of_a_lung("272519000")),
    ("a lung undetermined without reason", Rule.UNDETERMINED_LUNG, all_zones_of_a_lung("373068000")),
    ("a named zone undetermined", Rule.UNDETERMINED_ZONE, zone(1, "373068000")),
    ("no sentence", Rule.SENTENCE, without(evaluation(), "121071")),
    ("a sentence of other words", Rule.SENTENCE, put(evaluation("121071"), TextValue="Infected, right.")),
    ("a zone more than in the sentence", Rule.SENTENCE_AND_ZONES, zone(0, "52101004")),
    (
        "a sentence of another zone",
        Rule.SENTENCE_AND_ZONES,
        put(evaluation("121071"), TextValue=report_of_zones("left lower", "right middle")),
    ),
    (
        "a sentence of one lung",
        Rule.UNDETERMINED_LUNG,
        put(evaluation("121071"), TextValue=report_of_zones("left upper")),
    ),
    ("a text without zones", Rule.TEXT_FINDINGS, without(lambda o: find(o[TEXT], "59776-5"), "59776-5")),
    (
        "a text with another sentence",
        Rule.TEXT_SENTENCE,
        put(lambda o: find(o[TEXT], "59776-5", "59776-5"), TextValue="No pulmonary infection."),
    ),
    (
        "a text that takes a zone back",
        Rule.TEXT_ZONES,
        take_back,
    ),
    ("a text that doubts a named zone", Rule.TEXT_ZONES, say_of("Right middle zone", "undetermined")),
    (
        "a text that doubts what the report calls free",
        Rule.TEXT_ZONES,
        say_of("Right upper zone", "undetermined"),
    ),
    ("a report that doubts what the text calls free", Rule.TEXT_ZONES, zone(0, "373068000")),
    ("a segment number left out", Rule.SEGMENTS, segment(1, SegmentNumber=3)),
    (
        "another property type",
        Rule.SEGMENT_CODES,
        member(SEG, "SegmentSequence.SegmentedPropertyTypeCodeSequence.CodeValue", "254626006"),
    ),
    ("no property category", Rule.SEGMENT_CODES, segment(SegmentedPropertyCategoryCodeSequence=[])),
    ("no region", Rule.SEGMENT_REGION, segment(AnatomicRegionSequence=None)),
    (
        "a region without side",
        Rule.SEGMENT_REGION,
        member(SEG, "SegmentSequence.AnatomicRegionSequence.AnatomicRegionModifierSequence", []),
    ),
    ("Left stamped on the right lung", Rule.SEGMENTS, stamp_left_on_the_right_lung),
    ("Left stamped on the right lung's mask", Rule.MASK_SIDE, stamp_left_on_the_right_lung),
    (
        "another algorithm version",
        Rule.SEGMENT_ALGORITHM,
        member(SEG, "SegmentSequence.SegmentationAlgorithmIdentificationSequence.AlgorithmVersion", "9"),
    ),
    ("SEMIAUTOMATIC", Rule.SEGMENT_ALGORITHM, segment(SegmentAlgorithmType="SEMIAUTOMATIC")),
    ("no tracking ID", Rule.SEGMENT_TRACKED, segment(TrackingID=None)),
    ("one tracking UID for two", Rule.SEGMENT_TRACKED, track_together),
    ("no colour", Rule.SEGMENT_COLOUR, segment(RecommendedDisplayCIELabValue=None)),
    ("no warning in a segment", Rule.SEGMENT_TOLD, segment(SegmentDescription="Infection")),
    ("other Columns than the source", Rule.SEG_SIZE, setting(SEG, Columns=112)),
    ("no frame of reference", Rule.SEG_GEOMETRY, setting(SEG, FrameOfReferenceUID=None)),
    (
        "no pixel measures",
        Rule.SEG_GEOMETRY,
        member(SEG, "SharedFunctionalGroupsSequence.PixelMeasuresSequence", []),
    ),
    ("two frames of one segment", Rule.SEG_FRAMES, swap_frames),
    ("one frame too many", Rule.SEG_FRAMES, setting(SEG, NumberOfFrames=3)),
    ("cut-off pixels", Rule.SEG_BITS, cut_off),
    ("BINARY in bytes", Rule.SEG_BITS, setting(SEG, BitsAllocated=8)),
    ("probabilities", Rule.SEG_FRACTIONS, probabilities),
    ("a label of no segment", Rule.SEG_LABELS, unknown_label),
    (
        "a label map of another class",
        Rule.SEG_FRAMES,
        setting("seg-labelmap.dcm", SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4"),
    ),
    (
        "the site of the other lung",
        Rule.GROUP_SITE,
        coded(sr_group("111030", "363698007"), "44029006"),
    ),
    ("an empty mask", Rule.MASK_EMPTY, empty),
    ("masks of the wrong sides", Rule.MASK_SIDE, swap_masks),
    ("mirrored masks", Rule.MASK_SIDE, mirror_masks),
    ("masks that overlap", Rule.MASK_OVERLAP, overlap),
]
"""What was changed, the rule that refuses it, and how."""


@pytest.mark.parametrize(
    ("rule", "change"),
    [(rule, change) for _, rule, change in MUTATIONS],
    ids=[what for what, *_ in MUTATIONS],
)
def test_a_broken_rule_is_refused(made, rule, change):
    """
    One thing is altered in good objects; the rule's own message says so.
    """
    objects, header = copy.deepcopy(made)
    change(objects)

    with pytest.raises(InvalidResult) as raised:
        require_valid(objects, header)

    assert rule.word in raised.value.rules
    assert rule.demand in str(raised.value)


SHARE = ("121214", "share-of-lung")
PERCENT = "MeasuredValueSequence.MeasurementUnitsCodeSequence.CodeValue"


def say_again(words: str, instead: str) -> Change:
    """Replace what the SR tells in the first comment with these words."""

    def change(objects: Objects) -> None:
        comments = find(objects[SR], "C0034375").children
        item = next(item for item in comments if words in item.text)
        item.ds.TextValue = instead

    return change


MEASURED: list[tuple[str, Rule, Change]] = [
    (
        "a share of nothing",
        Rule.SHARE_OF_LUNG,
        inside(sr_group(*SHARE), "MeasuredValueSequence.NumericValue", "0"),
    ),
    (
        "more than the lung",
        Rule.SHARE_OF_LUNG,
        inside(sr_group(*SHARE), "MeasuredValueSequence.NumericValue", "101"),
    ),
    ("a share of another unit", Rule.SHARE_OF_LUNG, inside(sr_group(*SHARE), PERCENT, "mm2")),
    ("a share of no method", Rule.SHARE_OF_LUNG, without(sr_group(*SHARE), "370129005")),
    ("another share", Rule.SHARE_TOLD, inside(sr_group(*SHARE), "MeasuredValueSequence.NumericValue", "77")),
    ("no share measured", Rule.SHARE_TOLD, without(sr_group("121214"), "share-of-lung")),
    ("no share told", Rule.SHARE_TOLD, say_again("right lung's area", "Nothing more.")),
    (
        "another score",
        Rule.SEVERITY_TOLD,
        say_again(
            "Severity", "Severity score 3 of 8 (right lung 2, left lung 1), by the marked share of each lung"
        ),
    ),
    (
        "a wrong sum",
        Rule.SEVERITY_TOLD,
        say_again(
            "Severity", "Severity score 3 of 8 (right lung 1, left lung 1), by the marked share of each lung"
        ),
    ),
    ("both lungs of one side", Rule.SHARE_OF_BOTH, coded(sr_group("121214", BOTH, SITE, SIDE), *LEFT)),
    (
        "more of both than of each",
        Rule.SHARE_OF_BOTH,
        inside(sr_group("121214", BOTH), "MeasuredValueSequence.NumericValue", "60"),
    ),
    ("no share of both told", Rule.SHARE_TOLD, say_again("Both lungs", "Nothing more.")),
    (
        "another coded score",
        Rule.SEVERITY_SCORE,
        inside(sr_group("121214", "severity-score"), "MeasuredValueSequence.NumericValue", "5"),
    ),
    (
        "a score of another unit",
        Rule.SEVERITY_SCORE,
        inside(sr_group("121214", "severity-score"), PERCENT, "%"),
    ),
    ("a zone present that is not named", Rule.SENTENCE_AND_ZONES, zone(0, "52101004")),
    ("a named zone called free", Rule.SENTENCE_AND_ZONES, zone(1, "272519000")),
]


@pytest.mark.parametrize(
    ("rule", "change"), [(rule, change) for _, rule, change in MEASURED], ids=[what for what, *_ in MEASURED]
)
def test_a_broken_rule_about_the_lungs_is_refused(measured, rule, change):
    """
    Of an image whose lungs were found.
    """
    objects, header = copy.deepcopy(measured)
    change(objects)

    with pytest.raises(InvalidResult, match=rule.word):
        require_valid(objects, header)


BEFORE = sr_group("121214", "share-before")
COMPARED: list[tuple[str, Rule, Change]] = [
    ("no date", Rule.COMPARISON_CODED, without(BEFORE, "126201")),
    ("no image", Rule.COMPARISON_CODED, without(BEFORE, "121112")),
    ("more than the lung then", Rule.COMPARISON_CODED, inside(BEFORE, VALUE, "101")),
    (
        "the same lung twice",
        Rule.COMPARISON_CODED,
        coded(sr_group("121214", "share-before", SITE, SIDE), *LEFT),
    ),
    ("no change said", Rule.COMPARISON_CODED, without(sr_group("121214"), "111049")),
    ("better that got worse", Rule.COMPARISON_CHANGE, coded(sr_group("121214", "111049"), "19776001")),
    ("an image of nowhere", Rule.COMPARISON_EVIDENCE, setting(SR, PertinentOtherEvidenceSequence=None)),
    ("an image of this study", Rule.COMPARISON_EVIDENCE, evidence_of_this_study),
    (
        "another number told",
        Rule.COMPARISON_TOLD,
        say_again("Right lung, comp", say_right("3.0 % of its area", "more")),
    ),
    (
        "another change told",
        Rule.COMPARISON_TOLD,
        say_again("Right lung, comp", say_right("2.0 % of its area", "less")),
    ),
    ("nothing told", Rule.COMPARISON_TOLD, say_again("Right lung, comp", "Nothing more.")),
    (
        "a change within the limit",
        Rule.COMPARISON_TOLD,
        say_again("Right lung, comp", say_right("2.0 % of its area", "more", "20.0")),
    ),
]


@pytest.mark.parametrize(
    ("rule", "change"), [(rule, change) for _, rule, change in COMPARED], ids=[what for what, *_ in COMPARED]
)
def test_a_broken_rule_about_an_earlier_film_is_refused(two_films, rule, change):
    """
    Of an image with an earlier one of the patient.
    """
    objects, header = copy.deepcopy(two_films)
    change(objects)

    with pytest.raises(InvalidResult, match=rule.word):
        require_valid(objects, header)


CLEAR: list[tuple[str, Rule, Change]] = [
    ("with findings", Rule.SUMMARY, coded(evaluation("111017"), "111242", "DCM")),
    (
        "an undetermined image",
        Rule.WHOLE_IMAGE_JUDGED,
        coded(sr_group("128601007", "128601007"), "373068000"),
    ),
    ("an infected image", Rule.WHOLE_IMAGE_JUDGED, coded(sr_group("128601007", "128601007"), "52101004")),
    ("a zone present without a mask", Rule.ZONES_AND_MASK, zone(0, "52101004")),
    ("a text that doubts a lung without a mask", Rule.TEXT_ZONES, say_of("Right upper zone", "undetermined")),
    ("a zone undetermined without a mask", Rule.UNDETERMINED_LUNG, zone(0, "373068000")),
    (
        "a sentence of an infection",
        Rule.UNDETERMINED_LUNG,
        put(
            evaluation("121071"),
            TextValue=report_of_zones("left upper"),
        ),
    ),
]


@pytest.mark.parametrize(
    ("rule", "change"), [(rule, change) for _, rule, change in CLEAR], ids=[what for what, *_ in CLEAR]
)
def test_a_broken_rule_without_a_finding_is_refused(clear, rule, change):
    """
    Of an image on which nothing was found.
    """
    objects, header = copy.deepcopy(clear)
    change(objects)

    with pytest.raises(InvalidResult, match=rule.word):
        require_valid(objects, header)


def status(objects: Objects) -> Item:
    return find(objects["answer.dcm"], "55112-7", "111064")


def sentence(objects: Objects) -> Item:
    return find(objects["answer.dcm"], "55112-7", "55112-7")


ANSWERS: list[tuple[str, Rule, Change]] = [
    ("no status", Rule.ANSWER_CODED, without(lambda o: find(o["answer.dcm"], "55112-7"), "111064")),
    ("succeeded", Rule.ANSWER_CODED, coded(status, "111222", "DCM")),
    ("no reason", Rule.ANSWER_CODED, without(lambda o: find(o["answer.dcm"], "55112-7"), "why-not-judged")),
    ("absent", Rule.ANSWER_SILENT, coded(status, "272519000")),
    ("normal", Rule.ANSWER_SILENT, coded(status, "17621005")),
    ("none succeeded", Rule.ANSWER_SILENT, coded(status, "111245", "DCM")),
    ("no infection in words", Rule.ANSWER_SILENT, put(sentence, TextValue="No pulmonary infection.")),
    ("normal in words", Rule.ANSWER_SILENT, put(sentence, TextValue="The lungs are normal.")),
    ("neither status nor reason", Rule.TEXT_FINDINGS, without(root("answer.dcm"), "55112-7")),
    ("COMPLETE", Rule.SR_STATE, setting("answer.dcm", CompletionFlag="COMPLETE")),
]


@pytest.mark.parametrize(
    ("rule", "change"), [(rule, change) for _, rule, change in ANSWERS], ids=[what for what, *_ in ANSWERS]
)
def test_an_answer_that_reads_as_judged_is_refused(rule, change):
    """
    "Not judged" never reads as "normal", nor as a finding.
    """
    header = read_built().header
    objects = {
        "answer.dcm": encode_not_judged(header, NotApplicable("a child", reason=RefusalReason.CHILD), **MADE)
    }
    change(objects)

    with pytest.raises(InvalidResult, match=rule.word):
        require_valid(objects, header)


def test_every_rule_is_tested():
    """
    A rule that nothing breaks might check nothing.
    """
    tested = {rule for _, rule, _ in (*MUTATIONS, *CLEAR, *ANSWERS, *MEASURED, *COMPARED)}

    assert set(Rule) - tested == {Rule.AREA_SPACING}  # its test is its own


def test_a_seg_on_a_smaller_grid_is_told_and_no_half_is_looked_for_in_it(made):
    """The half of a larger image does not fit into it: `sgseg check --source` ended in a traceback."""
    objects, header = copy.deepcopy(made)
    smaller_seg(objects)

    broken = violations(objects, header, extent=extent_of(None, (header.Rows, header.Columns)))

    assert Rule.SEG_SIZE in {violation.rule for violation in broken}
