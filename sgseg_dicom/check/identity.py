"""Rules for every object: whose it is, what it is, who made it, and that it is a draft."""

import re
from collections.abc import Iterator

from pydicom import Dataset

from sgseg_dicom.check.attributes import items, referenced, text, value
from sgseg_dicom.check.case import BASIC_TEXT, LABEL_MAP, REPORTS, SEGMENTATION, Case, Equipment, equipment_of
from sgseg_dicom.check.rules import Broken, Rule

_TYPE_1 = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality")
_REPORT_TYPE_1 = (
    *("SeriesNumber", "InstanceNumber", "ContentDate", "ContentTime", "Manufacturer"),
    *("ValueType", "ConceptNameCodeSequence", "ContentSequence"),
)
_SEGMENTATION_TYPE_1 = (
    *("SeriesNumber", "InstanceNumber", "ContentDate", "ContentTime", "ContentLabel", "ImageType"),
    *("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions"),
    *("SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "NumberOfFrames", "PixelData"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "LossyImageCompression"),
    *("SegmentationType", "SegmentSequence", "SharedFunctionalGroupsSequence"),
    *("PerFrameFunctionalGroupsSequence", "DimensionOrganizationSequence", "DimensionIndexSequence"),
)
_TYPE_1_OF: dict[str, tuple[str, ...]] = {
    SEGMENTATION: _SEGMENTATION_TYPE_1,
    LABEL_MAP: _SEGMENTATION_TYPE_1,
    **dict.fromkeys((*REPORTS, BASIC_TEXT), _REPORT_TYPE_1),
}
_TYPE_2 = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime"),
    *("ReferringPhysicianName", "StudyID", "AccessionNumber"),
)
_SAME = ("PatientName", "PatientID", "AccessionNumber", "StudyID")
_SAME_OR_EMPTY = ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime")  # a source may hold nonsense
_UIDS_OF_OURS = ("SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
_DERIVED = re.compile(r"2\.25\.(0|[1-9][0-9]{0,38})")
_OUR_EQUIPMENT = "ContributingEquipmentSequence[109102]"
_EQUIPMENT = (  # keyword, field of Equipment
    ("Manufacturer", "manufacturer"),
    ("ManufacturerModelName", "model"),
    ("SoftwareVersions", "version"),
    ("DeviceUID", "device_uid"),
)


def identity(name: str, case: Case) -> Iterator[Broken]:
    """Check what every object must say."""
    ds = case.objects[name]
    yield from _complete(ds)
    yield from _belonging(ds, case)
    yield from _own(name, case)
    yield from _provenance(ds, case)
    if text(ds, "SpecificCharacterSet") != "ISO_IR 192":
        yield Rule.CHARACTER_SET, "SpecificCharacterSet"


def _complete(ds: Dataset) -> Iterator[Broken]:
    for keyword in (*_TYPE_1, *_TYPE_1_OF.get(text(ds, "SOPClassUID"), ())):
        held = value(ds, keyword)
        if held is None or (hasattr(held, "__len__") and len(held) == 0):
            yield Rule.TYPE_1, keyword
    for keyword in _TYPE_2:
        if keyword not in ds:
            yield Rule.TYPE_2, keyword


def _belonging(ds: Dataset, case: Case) -> Iterator[Broken]:
    """Compare with the source, or else with the first of the objects: a mixed-up pair shows too."""
    source = next(iter(case.objects.values())) if case.header is None else case.header
    if text(ds, "StudyInstanceUID") != text(source, "StudyInstanceUID"):
        yield Rule.SAME_STUDY, "StudyInstanceUID"
    for keyword in _SAME:
        if text(ds, keyword) != text(source, keyword):
            yield Rule.SAME_PATIENT, keyword
    for keyword in _SAME_OR_EMPTY:
        if text(ds, keyword) not in (text(source, keyword), ""):
            yield Rule.SAME_PATIENT, keyword


def _own(name: str, case: Case) -> Iterator[Broken]:
    ds = case.objects[name]
    others = [other for key, other in case.objects.items() if key != name]
    taken = {text(other, "SOPInstanceUID") for other in others} | {case.source_uid}
    if text(ds, "SOPInstanceUID") in taken:
        yield Rule.OWN_INSTANCE, "SOPInstanceUID"
    series = text(ds, "SeriesInstanceUID")
    shared = any(
        text(other, "SeriesInstanceUID") == series and text(other, "Modality") != text(ds, "Modality")
        for other in others
    )
    if shared or (case.header is not None and series == text(case.header, "SeriesInstanceUID")):
        yield Rule.OWN_SERIES, "SeriesInstanceUID"
    for keyword in _UIDS_OF_OURS:
        if text(ds, keyword) and not is_derived(text(ds, keyword)):
            yield Rule.DERIVED_UID, keyword


def _provenance(ds: Dataset, case: Case) -> Iterator[Broken]:
    equipment = equipment_of(ds)
    if equipment == Equipment():
        yield Rule.EQUIPMENT, "ContributingEquipmentSequence"
        return
    for keyword, field in _EQUIPMENT:
        if not getattr(equipment, field):
            yield Rule.EQUIPMENT_COMPLETE, f"{_OUR_EQUIPMENT}.{keyword}"
        elif field in ("model", "version") and text(ds, keyword) not in (getattr(equipment, field), ""):
            yield Rule.EQUIPMENT_AGREES, keyword
    if equipment.device_uid and not is_derived(equipment.device_uid):
        yield Rule.DERIVED_UID, f"{_OUR_EQUIPMENT}.DeviceUID"
    if equipment != equipment_of(next(iter(case.objects.values()))):
        yield Rule.ONE_ALGORITHM, _OUR_EQUIPMENT
    yield from _draft(ds)


def _draft(ds: Dataset) -> Iterator[Broken]:
    """The description of a series is in the site's language; that of our contribution is in English."""
    ours = [
        text(item, "ContributionDescription")
        for item in items(ds, "ContributingEquipmentSequence")
        if text(item, "Manufacturer") == text(ds, "Manufacturer")
    ]
    if not any("draft" in description.lower() for description in ours):
        yield Rule.DRAFT, f"{_OUR_EQUIPMENT}.ContributionDescription"
    if not text(ds, "SeriesDescription"):
        yield Rule.DRAFT, "SeriesDescription"


def is_derived(uid: str) -> bool:
    """Whether a UID is made of a UUID (PS3.5 B.2)."""
    return bool(_DERIVED.fullmatch(uid)) and len(uid) <= 64 and int(uid[5:]) < 1 << 128


def references_source(references: list[Dataset], case: Case) -> bool:
    """Whether one of *references* is the source image; True where the source is not at hand."""
    if case.header is None:
        return True
    source = text(case.header, "SOPClassUID"), case.source_uid
    return any(referenced(item) == source for item in references)


def names_other_side(label: str, side: str) -> bool:
    """Whether a label says, in English, the other side than *side* ("right" or "left"), or both."""
    words = set(re.findall(r"[a-z]+", label.lower()))
    return ({"left": "right", "right": "left"}[side]) in words
