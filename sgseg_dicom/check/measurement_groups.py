"""Rules for the measurement groups of a report: TID 1410 about a region, TID 1501 about the whole image."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from sgseg_dicom.check import vocabulary as v
from sgseg_dicom.check.attributes import code, items, number, referenced, text, value
from sgseg_dicom.check.case import Case, Equipment
from sgseg_dicom.check.content_tree import Item
from sgseg_dicom.check.identity import is_derived, names_other_side, references_source
from sgseg_dicom.check.masks import side_area
from sgseg_dicom.check.rules import Broken, Rule
from sgseg_dicom.check.segmentation import Segments
from sgseg_dicom.extent import Extent
from sgseg_dicom.zones import Laterality


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """
    One measurement group.

    Attributes:
        item: the CONTAINER.
        side: of its finding site; None where it does not say exactly one.
        outlines: its SCOORD items.
        segments: its references to segments.
        shares: its measurements of the share of its lung.
    """

    item: Item
    side: Laterality | None
    outlines: list[Item]
    segments: list[Item]
    shares: list[Item]

    @property
    def is_region(self) -> bool:
        """Whether it is about a region, and not about the whole image."""
        return bool(self.outlines or self.segments)


def groups_of(root: Item) -> list[Group]:
    """Read the measurement groups of a report."""
    return [
        Group(item, _side(item), item.all(v.IMAGE_REGION), item.all(v.SEGMENT), item.all(v.SHARE_OF_LUNG))
        for container in root.all(v.IMAGING_MEASUREMENTS)
        for item in container.all(v.GROUP)
    ]


def group(about: Group, equipment: Equipment, segments: Segments, case: Case) -> Iterator[Broken]:
    """Check one group; a place within it is an item's path."""
    path = about.item.path
    template = [text(item, "TemplateIdentifier") for item in items(about.item.ds, "ContentTemplateSequence")]
    if template != ["1410" if about.is_region else "1501"]:
        yield Rule.GROUP_TEMPLATE, path
    tracking_uid, name = about.item.text_under(v.TRACKING_UID), about.item.text_under(v.TRACKING_ID)
    if not name or not is_derived(tracking_uid):
        yield Rule.GROUP_TRACKING, path
    if about.side and names_other_side(name, about.side.word):
        yield Rule.SIDE_WORD, f"{path}/{v.TRACKING_ID[0]}"
    algorithm = about.item.text_under(v.ALGORITHM_NAME), about.item.text_under(v.ALGORITHM_VERSION)
    if algorithm != (equipment.model, equipment.version):
        yield Rule.GROUP_ALGORITHM, path
    if about.is_region:
        yield from _region(about, segments, case)


def _side(group: Item) -> Laterality | None:
    site = group.only(v.SITE)
    side = site.only(v.LATERALITY) if site else None
    return v.SIDES.get(side.code) if side else None


def _region(about: Group, segments: Segments, case: Case) -> Iterator[Broken]:
    finding, site = about.item.only(v.FINDING), about.item.only(v.SITE)
    if finding is None or finding.code != v.INFECTION:
        yield Rule.GROUP_FINDING, about.item.path
    if (
        site is None
        or about.side is None
        or (site.code != v.LUNG and v.LUNGS.get(site.code) is not about.side)
    ):
        yield Rule.GROUP_SITE, about.item.path
    for area in about.item.all(v.AREA):
        yield from _area(area, case)
    for share in about.shares:
        if not 0 < percent_of(share) <= 100:
            yield Rule.SHARE_OF_LUNG, share.path
    for outline in about.outlines:
        yield from _outline(outline, about, segments, case)
    for reference in about.segments:
        yield from _segment(reference, about, segments)
    if about.segments:
        sources = [ref for item in about.item.all(v.SEGMENT_SOURCE) for ref in _references(item)]
        if not sources or not references_source(sources, case):
            yield Rule.SEGMENT_SOURCE, about.item.path


def percent_of(share: Item) -> float:
    """Give the percentage that a measurement states; -1 where it states none, or not by which method."""
    measured, method = items(share.ds, "MeasuredValueSequence"), share.only(v.METHOD)
    if method is None or method.code != v.BY_PIXELS:
        return -1.0
    if len(measured) != 1 or code(measured[0], "MeasurementUnitsCodeSequence") != v.PERCENT:
        return -1.0
    return number(measured[0], "NumericValue")


def _references(item: Item) -> list[Dataset]:
    return items(item.ds, "ReferencedSOPSequence")


def _area(area: Item, case: Case) -> Iterator[Broken]:
    measured = items(area.ds, "MeasuredValueSequence")
    if len(measured) != 1 or (
        code(measured[0], "MeasurementUnitsCodeSequence") != v.SQUARE_MILLIMETRE
        or number(measured[0], "NumericValue") <= 0
    ):
        yield Rule.AREA_UNIT, area.path
    if case.header is None:
        return
    in_patient, at_detector = (
        _is_positive_pair(case.header, keyword) for keyword in ("PixelSpacing", "ImagerPixelSpacing")
    )
    method = area.only(v.METHOD)
    if not in_patient and not at_detector:
        yield Rule.AREA_SPACING, area.path
    elif not _is_calibrated(case.header) and (method is None or method.code != v.DETECTOR_PLANE):
        yield Rule.AREA_PLANE, area.path


def _is_calibrated(header: Dataset) -> bool:
    """Whether a distance is one in the patient (PS3.3 10.7.1.1): stated, or the detector's and corrected."""
    if not _is_positive_pair(header, "PixelSpacing"):
        return False
    if text(header, "PixelSpacingCalibrationType"):
        return True
    if not _is_positive_pair(header, "ImagerPixelSpacing"):
        return False
    pairs = [text(header, keyword).split("\\")[:2] for keyword in ("PixelSpacing", "ImagerPixelSpacing")]
    return any(abs(float(one) / float(other) - 1) > 0.01 for one, other in zip(*pairs, strict=True))


def _is_positive_pair(header: Dataset, keyword: str) -> bool:
    try:
        pair = [float(value) for value in text(header, keyword).split("\\")]
    except ValueError:
        return False
    return len(pair) >= 2 and min(pair) > 0


def _outline(outline: Item, about: Group, segments: Segments, case: Case) -> Iterator[Broken]:
    sources = [ref for child in outline.children if child.type == "IMAGE" for ref in _references(child)]
    selected = all(child.relation == "SELECTED FROM" for child in outline.children)
    if not sources or not selected or not references_source(sources, case):
        yield Rule.OUTLINE_SOURCE, outline.path
    points = _points(outline.ds)
    if text(outline.ds, "GraphicType") != "POLYLINE" or not _is_closed(points):
        yield Rule.OUTLINE_SHAPE, outline.path
        return
    yield from _place(outline, points, about, case)
    masks = [
        segment.mask
        for several in segments.values()
        for segment in several
        if segment.side is about.side and segment.mask
    ]
    if any(not mask.touches(points) for mask in masks):
        yield Rule.OUTLINE_ON_MASK, outline.path


def _points(outline: Dataset) -> NDArray[np.float32]:
    """Give the points, (n, 2) column and row; none where the numbers are no pairs."""
    data = np.atleast_1d(np.asarray(value(outline, "GraphicData") or [], dtype=np.float32))
    return data.reshape(-1, 2) if data.size % 2 == 0 else data[:0].reshape(0, 2)


def _is_closed(points: NDArray[np.float32]) -> bool:
    return len(points) > 3 and bool((points[0] == points[-1]).all())


def _place(outline: Item, points: NDArray[np.float32], about: Group, case: Case) -> Iterator[Broken]:
    """Check where an outline lies: half of a region's pixels or more are on its side, so its outline gets there."""
    if case.header is None:
        return
    rows, columns = int(number(case.header, "Rows")), int(number(case.header, "Columns"))
    low, high = points.min(axis=0), points.max(axis=0)
    if low.min() < 0 or high[0] > columns or high[1] > rows:
        yield Rule.OUTLINE_SHAPE, outline.path
    if about.side is None:
        return
    extent = case.extent or Extent((0, rows), (0, columns))
    area = side_area(about.side, case.header, extent, case.lung_centres)
    axis, (start, stop) = (0, area.columns) if area.columns != extent.columns else (1, area.rows)
    if high[axis] <= start or low[axis] >= stop:
        yield Rule.OUTLINE_SIDE, outline.path


def _segment(reference: Item, about: Group, segments: Segments) -> Iterator[Broken]:
    for target in _references(reference):
        if text(target, "ReferencedFrameNumber") and text(target, "ReferencedSegmentNumber"):
            yield Rule.SEGMENT_FRAME, reference.path
        numbered = number(target, "ReferencedSegmentNumber")
        found = [s for s in segments.get(referenced(target)[1], ()) if s.number == numbered]
        if not found:
            yield Rule.SEGMENT_EXISTS, reference.path
        for segment in found:
            if segment.tracking_uid != about.item.text_under(v.TRACKING_UID):
                yield Rule.SEGMENT_TRACKING, about.item.path
            if segment.side is not about.side:
                yield Rule.SEGMENT_SIDE, about.item.path
    if not _references(reference):
        yield Rule.SEGMENT_EXISTS, reference.path
