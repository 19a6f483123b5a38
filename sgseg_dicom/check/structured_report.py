"""Rules for every structured report, of whatever template: its state, its observer, what it refers to."""

from collections.abc import Iterator

from pydicom import Dataset

from sgseg_dicom.check import vocabulary as v
from sgseg_dicom.check.attributes import Code, items, referenced, text
from sgseg_dicom.check.case import SEGMENTATIONS, Case, Equipment, equipment_of
from sgseg_dicom.check.comparison import earlier_images
from sgseg_dicom.check.content_tree import Item
from sgseg_dicom.check.identity import references_source
from sgseg_dicom.check.rules import Broken, Rule
from sgseg_dicom.check.segmentation import Segments

_STATE = (
    ("CompletionFlag", "PARTIAL"),
    ("VerificationFlag", "UNVERIFIED"),
    ("PreliminaryFlag", "PRELIMINARY"),
)

_OF_THIS_PROCEDURE, _OTHER = "CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence"


def document(sr: Dataset, root: Item, segments: Segments, case: Case) -> Iterator[Broken]:
    """Check what every structured report must have."""
    for keyword, meant in _STATE:
        if text(sr, keyword) != meant:
            yield Rule.SR_STATE, keyword
    equipment = equipment_of(sr)
    yield from _observer(root, equipment)
    texts = [item.text for item in root.walk() if item.type == "TEXT"]
    named = any(equipment.model in words and equipment.version in words for words in texts)
    if not equipment.model or not named:
        yield Rule.SR_ALGORITHM_TOLD, "ContentSequence"
    yield from _references(sr, root, segments, case)


def has_root(root: Item, title: Code, template: str) -> bool:
    """Whether the root is a CONTAINER of this title and template (PS3.16)."""
    templates = [
        (text(item, "MappingResource"), text(item, "TemplateIdentifier"))
        for item in items(root.ds, "ContentTemplateSequence")
    ]
    return root.type == "CONTAINER" and root.name == title and templates == [("DCMR", template)]


def evidence_of(sr: Dataset) -> set[tuple[str, str]]:
    """Give class and instance of everything in the evidence that is of the report's own study."""
    return {one for study, one in _evidence(sr, _OF_THIS_PROCEDURE) if study == text(sr, "StudyInstanceUID")}


def _evidence(sr: Dataset, keyword: str) -> list[tuple[str, tuple[str, str]]]:
    """Give the study, and class and instance, of everything in a sequence of evidence."""
    return [
        (text(study, "StudyInstanceUID"), referenced(instance))
        for study in items(sr, keyword)
        for series in items(study, "ReferencedSeriesSequence")
        for instance in items(series, "ReferencedSOPSequence")
    ]


def _observer(root: Item, equipment: Equipment) -> Iterator[Broken]:
    kind = root.only(v.OBSERVER_TYPE)
    if kind is None or kind.code != v.DEVICE:
        yield Rule.SR_OBSERVER, v.OBSERVER_TYPE[0]
    for name, meant in (
        (v.OBSERVER_UID, equipment.device_uid),
        (v.OBSERVER_MANUFACTURER, equipment.manufacturer),
        (v.OBSERVER_MODEL, equipment.model),
    ):
        if root.text_under(name) != meant or not meant:
            yield Rule.SR_OBSERVER, name[0]


def _references(sr: Dataset, root: Item, segments: Segments, case: Case) -> Iterator[Broken]:
    mentioned = [ref for item in root.walk() for ref in items(item.ds, "ReferencedSOPSequence")]
    if not references_source(mentioned, case):
        yield Rule.SOURCE_REFERENCED, "ContentSequence"
    targets, evidence = {referenced(item) for item in mentioned}, evidence_of(sr)
    earlier = earlier_images(root)
    if not targets - earlier <= evidence:
        yield Rule.SR_EVIDENCE, _OF_THIS_PROCEDURE
    others = {one for study, one in _evidence(sr, _OTHER) if study != text(sr, "StudyInstanceUID")}
    if earlier & evidence or not earlier <= others:
        yield Rule.COMPARISON_EVIDENCE, _OTHER
    if any(kind in SEGMENTATIONS and uid not in segments for kind, uid in targets | evidence):
        yield Rule.SR_SEGMENTATION, "ReferencedSOPSequence"
