"""Rules for a Segmentation (PS3.3 A.51): its segments, its geometry, its pixels."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from pydicom import Dataset

from sgseg_dicom.check import vocabulary as v
from sgseg_dicom.check.attributes import code, code_of, items, number, text, value
from sgseg_dicom.check.case import LABEL_MAP, Case, Equipment, equipment_of
from sgseg_dicom.check.identity import is_derived, names_other_side, references_source
from sgseg_dicom.check.masks import Mask, expected_length, mask_of_label, masks_of, side_area
from sgseg_dicom.check.rules import Broken, Rule
from sgseg_dicom.extent import Extent
from sgseg_dicom.zones import Laterality


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """
    One segment as a reader of the file sees it.

    Attributes:
        number: Segment Number (0062,0004); -1 where absent.
        side: of the patient, by the region's modifier; None where it does not say exactly one.
        tracking_uid: Tracking UID (0062,0021); "" where absent.
        mask: of the one frame that names the segment, or has its number where the frame is a label map; None where
            there is not exactly one.
        ds: the item of the Segment Sequence.
    """

    number: int
    side: Laterality | None
    tracking_uid: str
    mask: Mask | None
    ds: Dataset


_BITS = {"BINARY": (1, 1, 0), "FRACTIONAL": (8, 8, 7), "LABELMAP": (8, 8, 7)}
"""Bits Allocated, Bits Stored and High Bit by Segmentation Type (PS3.3 C.8.20.2)."""

Segments = Mapping[str, Sequence[Segment]]
"""The segments of every Segmentation among the objects, by its SOP Instance UID."""


def segments_of(seg: Dataset) -> list[Segment]:
    """Read the segments with their masks."""
    find = _mask_finder(seg)
    segments = []
    for item in items(seg, "SegmentSequence"):
        place = int(number(item, "SegmentNumber"))
        segments.append(
            Segment(
                number=place,
                side=_side(item),
                tracking_uid=text(item, "TrackingUID"),
                mask=find(place),
                ds=item,
            )
        )
    return segments


def _mask_finder(seg: Dataset) -> Callable[[int], Mask | None]:
    """Give what finds the mask of a segment by its number."""
    if text(seg, "SOPClassUID") == LABEL_MAP:
        return lambda place: mask_of_label(seg, place)
    masks, named = masks_of(seg), _segment_of_each_frame(seg)

    def find(place: int) -> Mask | None:
        frames = [mask for mask, segment in zip(masks, named, strict=False) if segment == place]
        return frames[0] if len(frames) == 1 else None

    return find


def segmentation(seg: Dataset, segments: list[Segment], case: Case) -> Iterator[Broken]:
    """Check a Segmentation and its *segments*."""
    equipment = equipment_of(seg)
    sides = [segment.side for segment in segments if segment.side]
    numbers = [segment.number for segment in segments]
    if numbers not in ([1], [1, 2]) or len(set(sides)) != len(sides):
        yield Rule.SEGMENTS, "SegmentSequence"
    for place, segment in enumerate(segments, 1):
        for rule, keyword in _segment(segment, equipment):
            yield rule, f"SegmentSequence[{place}].{keyword}"
    tracked = [segment.tracking_uid for segment in segments]
    if len(set(tracked)) != len(tracked):
        yield Rule.SEGMENT_TRACKED, "SegmentSequence"
    yield from _geometry(seg, case)
    yield from _source(seg, case)
    yield from _pixels(seg, segments)
    yield from _masks(segments, case)


def _side(segment: Dataset) -> Laterality | None:
    regions = items(segment, "AnatomicRegionSequence")
    modifiers = [code_of(m) for region in regions for m in items(region, "AnatomicRegionModifierSequence")]
    return v.SIDES.get(modifiers[0]) if len(modifiers) == 1 else None


def _segment(segment: Segment, equipment: Equipment) -> Iterator[Broken]:
    ds = segment.ds
    if code(ds, "SegmentedPropertyCategoryCodeSequence") != v.ABNORMAL_STRUCTURE:
        yield Rule.SEGMENT_CODES, "SegmentedPropertyCategoryCodeSequence"
    if code(ds, "SegmentedPropertyTypeCodeSequence") != v.INFECTION:
        yield Rule.SEGMENT_CODES, "SegmentedPropertyTypeCodeSequence"
    if code(ds, "AnatomicRegionSequence") != v.LUNG or segment.side is None:
        yield Rule.SEGMENT_REGION, "AnatomicRegionSequence"
    yield from _algorithm(ds, equipment)
    if not text(ds, "TrackingID") or not is_derived(segment.tracking_uid):
        yield Rule.SEGMENT_TRACKED, "TrackingUID"
    if text(ds, "RecommendedDisplayCIELabValue").count("\\") != 2:
        yield Rule.SEGMENT_COLOUR, "RecommendedDisplayCIELabValue"
    description = text(ds, "SegmentDescription")
    if not equipment.model or equipment.model not in description or equipment.version not in description:
        yield Rule.SEGMENT_TOLD, "SegmentDescription"
    for keyword in ("SegmentLabel", "TrackingID"):
        if segment.side and names_other_side(text(ds, keyword), segment.side.word):
            yield Rule.SIDE_WORD, keyword


def _algorithm(segment: Dataset, equipment: Equipment) -> Iterator[Broken]:
    place = "SegmentationAlgorithmIdentificationSequence"
    coded = items(segment, place)
    stated = [
        (
            text(item, "AlgorithmSource"),
            text(item, "AlgorithmName"),
            text(item, "AlgorithmVersion"),
            code(item, "AlgorithmFamilyCodeSequence"),
        )
        for item in coded
    ]
    meant = (equipment.manufacturer, equipment.model, equipment.version, v.ARTIFICIAL_INTELLIGENCE)
    if stated != [meant]:
        yield Rule.SEGMENT_ALGORITHM, place
    if text(segment, "SegmentAlgorithmType") != "AUTOMATIC":
        yield Rule.SEGMENT_ALGORITHM, "SegmentAlgorithmType"
    if text(segment, "SegmentAlgorithmName") != equipment.model:
        yield Rule.SEGMENT_ALGORITHM, "SegmentAlgorithmName"


def _geometry(seg: Dataset, case: Case) -> Iterator[Broken]:
    header = case.header
    own = text(seg, "FrameOfReferenceUID")
    if not own or (header is not None and own == text(header, "FrameOfReferenceUID")):
        yield Rule.SEG_GEOMETRY, "FrameOfReferenceUID"
    groups = [
        *items(seg, "SharedFunctionalGroupsSequence"),
        *items(seg, "PerFrameFunctionalGroupsSequence")[:1],
    ]
    for keyword in ("PixelMeasuresSequence", "PlaneOrientationSequence", "PlanePositionSequence"):
        if not any(items(group, keyword) for group in groups):
            yield Rule.SEG_GEOMETRY, keyword
    for keyword in ("Rows", "Columns") if header is not None else ():
        if header is not None and number(seg, keyword) != number(header, keyword):
            yield Rule.SEG_SIZE, keyword


def _source(seg: Dataset, case: Case) -> Iterator[Broken]:
    listed = [
        instance
        for series in items(seg, "ReferencedSeriesSequence")
        for instance in items(series, "ReferencedInstanceSequence")
    ]
    if not references_source(listed, case):
        yield Rule.SOURCE_REFERENCED, "ReferencedSeriesSequence"
    for place, derivations in enumerate(_of_each_frame(seg, "DerivationImageSequence"), 1):
        sources = [source for item in derivations for source in items(item, "SourceImageSequence")]
        if not references_source(sources, case):
            yield Rule.SOURCE_REFERENCED, f"DerivationImageSequence of frame {place}"


def _segment_of_each_frame(seg: Dataset) -> list[int]:
    """Give the Referenced Segment Number of each frame; -1 where it does not name one."""
    named = []
    for items_of_frame in _of_each_frame(seg, "SegmentIdentificationSequence"):
        named.append(
            int(number(items_of_frame[0], "ReferencedSegmentNumber")) if len(items_of_frame) == 1 else -1
        )
    return named


def _of_each_frame(seg: Dataset, keyword: str) -> list[list[Dataset]]:
    """Give a functional group of each frame, its own or the shared one (PS3.3 C.7.6.16)."""
    shared = [item for s in items(seg, "SharedFunctionalGroupsSequence") for item in items(s, keyword)]
    return [items(frame, keyword) or shared for frame in items(seg, "PerFrameFunctionalGroupsSequence")]


def _pixels(seg: Dataset, segments: list[Segment]) -> Iterator[Broken]:
    kind = text(seg, "SegmentationType")
    numbers = [segment.number for segment in segments]
    if (kind == "LABELMAP") != (text(seg, "SOPClassUID") == LABEL_MAP):
        yield Rule.SEG_FRAMES, "SegmentationType"
    # A label map has all segments in one frame, by their numbers.
    named = numbers if kind == "LABELMAP" else _segment_of_each_frame(seg)
    frames = 1 if kind == "LABELMAP" else len(named)
    if sorted(named) != sorted(numbers) or number(seg, "NumberOfFrames") != frames:
        yield Rule.SEG_FRAMES, "PerFrameFunctionalGroupsSequence"
    bits = tuple(int(number(seg, keyword)) for keyword in ("BitsAllocated", "BitsStored", "HighBit"))
    if bits != _BITS.get(kind):
        yield Rule.SEG_BITS, "BitsAllocated"
    data = value(seg, "PixelData") or b""
    if len(data) != expected_length(seg):
        yield Rule.SEG_BITS, "PixelData"
    if kind == "LABELMAP" and set(data) - {0, *numbers}:
        yield Rule.SEG_LABELS, "PixelData"
    if kind == "FRACTIONAL":
        values = np.frombuffer(data, np.uint8)
        if number(seg, "MaximumFractionalValue") != 255 or ((values - np.uint8(1)) < 254).any():
            yield Rule.SEG_FRACTIONS, "PixelData"


def _masks(segments: list[Segment], case: Case) -> Iterator[Broken]:
    masks = [segment.mask for segment in segments if segment.mask]
    for place, segment in enumerate(segments, 1):
        if segment.mask is None or segment.side is None:
            continue
        if segment.mask.bits == 0:
            yield Rule.MASK_EMPTY, f"PixelData, segment {place}"
        elif (own := _side_of(segment.side, segment.mask, case)) and segment.mask.share_in(own) < 0.5:
            yield Rule.MASK_SIDE, f"PixelData, segment {place}"
    if any(one.bits & other.bits for one, other in combinations(masks, 2)):
        yield Rule.MASK_OVERLAP, "PixelData"


def _side_of(side: Laterality, mask: Mask, case: Case) -> int:
    """Give the bits of a lung's side of a mask's grid; 0 where the source is not at hand."""
    if case.header is None or not _is_on_grid_of(case.header, mask):
        return 0  # another grid has no side in common with it: SEG_SIZE says so
    extent = case.extent or Extent((0, mask.rows), (0, mask.columns))
    return side_area(side, case.header, extent, case.lung_centres).bits(mask.columns)


def _is_on_grid_of(header: Dataset, mask: Mask) -> bool:
    return (number(header, "Rows"), number(header, "Columns")) == (mask.rows, mask.columns)
