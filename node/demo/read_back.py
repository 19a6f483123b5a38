"""Reads results as their receiver would, and draws them over the radiograph."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from highdicom.seg import Segmentation, segread
from pydicom import Dataset, dcmread
from pydicom.filereader import read_file_meta_info

from sgseg_dicom.language.language import ENGLISH
from sgseg_dicom.reading.read import read
from sgseg_dicom.records import Finding, LungRegion
from sgseg_dicom.result_kinds import OBJECT_TYPES, Kind
from sgseg_dicom.results import codes
from sgseg_dicom.results.overlay import draw_overlay
from sgseg_dicom.zones import ZONES, Laterality, Level, Zone, ZoneBits, zones_of

_KINDS = {
    sop_class: kind for kind in (Kind.SEG, Kind.SR, Kind.TEXT) for sop_class in OBJECT_TYPES[kind].sop_classes
}
_FINDING = "121071"  # DCM, Finding
_LANGUAGE = "121049"  # DCM, Language of Content Item and Descendants
_UNDETERMINED = "373068000"  # SCT, CID 240
_PRESENT = "52101004"  # likewise
_SITE = "363698007"  # SCT, Finding Site
_LEVELS = {code.value: level for level, code in codes.LEVEL.items()}
_SIDES = {"24028007": Laterality.RIGHT, "7771000": Laterality.LEFT}  # SCT, CID 244


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """
    The results that were received for one radiograph.

    Attributes:
        sentence: of the SR.
        doubts: texts on where sentence and regions contradict each other.
        names_zones: whether the sentence names infected zones.
        has_regions: whether there is a SEG.
        files: what was written.
    """

    sentence: str
    doubts: tuple[str, ...]
    names_zones: bool
    has_regions: bool
    files: tuple[Path, ...]


def save_received(arrived: Sequence[Path], source: Path, out: Path) -> Received | None:
    """Copy the results to *out*, with a picture of them over *source*; None where there is no SR."""
    by_kind = {_KINDS[read_file_meta_info(path).MediaStorageSOPClassUID]: path for path in arrived}
    if Kind.SR not in by_kind:
        return None
    copies = [Path(shutil.copy(path, out / OBJECT_TYPES[kind].file_name)) for kind, path in by_kind.items()]
    sr = dcmread(by_kind[Kind.SR])
    finding = finding_of(segread(by_kind[Kind.SEG]) if Kind.SEG in by_kind else None, sr)
    picture = out / "overlay.png"
    notes = [f"{sr.ManufacturerModelName} {sr.SoftwareVersions}", "SEG and SR as received over DICOM"]
    draw_overlay(read(source), finding, warning=ENGLISH.draft, notes=notes).save(picture)
    return Received(
        sentence=finding.sentence,
        doubts=tuple(ENGLISH.doubts(finding)),
        names_zones=any(finding.zones),
        has_regions=bool(finding.regions),
        files=(*sorted(copies), picture),
    )


def finding_of(seg: Segmentation | None, sr: Dataset) -> Finding:
    """
    Make the finding from a SEG and its SR.

    They have no probabilities and no centres of lungs, which become NaN. They have no shares of zones either: what
    is judged stands for them.
    """
    sentence = _canonical_sentence(sr)
    shares = _lung_shares(sr)
    return Finding(
        regions=tuple(_regions(seg)) if seg is not None else (),
        zones=zones_of(sentence),
        zone_probabilities=np.full(6, np.nan, dtype=np.float32),
        sentence=sentence,
        reached=_undetermined_zones(sr),
        lung_centres=None if _sides_by_the_middle(sr) else (np.nan, np.nan),
        lung_shares=shares,
        zone_shares=_zone_shares(sr, sentence) if shares else None,
    )


def _undetermined_zones(sr: Dataset) -> ZoneBits:
    """
    Give the zones that their lung's region reaches: those judged undetermined.

    A lung whose zones are all undetermined is another case: its sentence and its region disagree.
    """
    found = _zones_judged(sr, _UNDETERMINED)
    whole = {side for side in Laterality if all(Zone(side, level) in found for level in Level)}
    upper_r, middle_r, lower_r, upper_l, middle_l, lower_l = (
        zone in found and zone.laterality not in whole for zone in ZONES
    )
    return (upper_r, middle_r, lower_r, upper_l, middle_l, lower_l)


def _zones_judged(sr: Dataset, judgement: str) -> set[tuple[Laterality | None, Level | None]]:
    """Give the zones that are judged so."""
    return {
        (
            _SIDES.get(side.ConceptCodeSequence[0].CodeValue),
            _LEVELS.get(site.ConceptCodeSequence[0].CodeValue),
        )
        for item in _items(sr)
        if item.ValueType == "CODE" and item.ConceptCodeSequence[0].CodeValue == judgement
        for site in item.get("ContentSequence", [])
        for side in site.get("ContentSequence", [])
    }


def _zone_shares(sr: Dataset, sentence: str) -> tuple[float, ...]:
    """Give a share for each zone from which the judgement of the SR follows: 1 or 0."""
    present, unsure = _zones_judged(sr, _PRESENT), _zones_judged(sr, _UNDETERMINED)
    return tuple(
        float(zone in present or (zone in unsure and not named))
        for zone, named in zip(ZONES, zones_of(sentence), strict=True)
    )


def _lung_shares(sr: Dataset) -> dict[Laterality, float]:
    """Give the share of each lung that the SR measures, and 0 of the other one; none where it measures none."""
    shares = {
        _SIDES[side.ConceptCodeSequence[0].CodeValue]: float(item.MeasuredValueSequence[0].NumericValue) / 100
        for group in _items(sr)
        for item in group.get("ContentSequence", [])
        if item.ValueType == "NUM" and item.ConceptNameCodeSequence[0].CodeValue == codes.SHARE_OF_LUNG.value
        for site in group.ContentSequence
        if site.ConceptNameCodeSequence[0].CodeValue == _SITE
        for side in site.ContentSequence
    }
    return {side: shares.get(side, 0.0) for side in Laterality} if shares else {}


def _sides_by_the_middle(sr: Dataset) -> bool:
    """Whether the SR says, in English, that the middle of the image decided the sides."""
    by_the_middle = ENGLISH.possible_assumptions[0]
    return any(item.ValueType == "TEXT" and item.TextValue == by_the_middle for item in _items(sr))


def _canonical_sentence(sr: Dataset) -> str:
    """Give the English sentence: where the report is in another language, the one that is marked as English."""
    found = [
        item
        for item in _items(sr)
        if item.ValueType == "TEXT" and item.ConceptNameCodeSequence[0].CodeValue == _FINDING
    ]
    marked = [
        item
        for item in found
        for below in item.get("ContentSequence", [])
        if below.ConceptNameCodeSequence[0].CodeValue == _LANGUAGE
        and below.ConceptCodeSequence[0].CodeValue == ENGLISH.code
    ]
    return str((marked or found)[0].TextValue)


def _regions(seg: Segmentation) -> Iterator[LungRegion]:
    sources = [uid for _, _, uid in seg.get_source_image_uids()]
    masks = seg.get_pixels_by_source_instance(sources, ignore_spatial_locations=True)[
        0
    ]  # (rows, columns, segments)
    for number in seg.segment_numbers:
        mask = masks[..., number - 1].astype(bool)
        side = seg.get_segment_description(number).AnatomicRegionSequence[0].AnatomicRegionModifierSequence[0]
        yield LungRegion(
            laterality=_SIDES[side.CodeValue], mask=mask, area_share=float(mask.mean()), area_mm2=None
        )


def _items(content: Dataset) -> Iterator[Dataset]:
    """Give every content item of an SR, depth first."""
    for item in content.get("ContentSequence", []):
        yield item
        yield from _items(item)
