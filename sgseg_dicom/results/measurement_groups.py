"""The measurement groups of the SR: TID 1410 for every region, TID 1501 for an image without one."""

from dataclasses import dataclass
from typing import Any

from highdicom.sr import (
    AlgorithmIdentification,
    FindingSite,
    ImageRegion,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    ReferencedSegmentationFrame,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    SourceImageForSegmentation,
    TrackingIdentifier,
)
from highdicom.sr import (
    PlanarROIMeasurementsAndQualitativeEvaluations as _Planar,
)
from pydicom import Dataset

from sgseg_dicom.errors import InvalidResult
from sgseg_dicom.findings.components import Component
from sgseg_dicom.language.language import ENGLISH, Language
from sgseg_dicom.own_results import MANUFACTURER
from sgseg_dicom.records import Algorithm, Finding, LungRegion, Radiograph
from sgseg_dicom.results import codes
from sgseg_dicom.results.lung_measurements import evaluations_of, measurements_of, rounded
from sgseg_dicom.results.outline import outline_of, outlined_parts
from sgseg_dicom.results.uids import result_uid, tracking_uid


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Context:
    """
    What every part of a report is about.

    Attributes:
        radiograph: the image as it was read.
        source: its header as results take it over (`source_of`).
        algorithm: who reports.
        seg: the Segmentation to reference; None where there is none.
        language: of what readers see.
    """

    radiograph: Radiograph
    source: Dataset
    algorithm: Algorithm
    seg: Dataset | None
    language: Language = ENGLISH


def region_groups(
    region: LungRegion, context: Context, *, finding: Finding, first: bool = True
) -> list[_Planar]:
    """
    Build the groups of one lung's region: one for each outline, with its area, and one for its segment.

    The largest part's outline and the segment have the same Tracking UID, and viewers merge them: a group
    without coordinates alone shows as an empty viewport. Area in mm2 only where the spacing is known. The share of
    the lung is the whole region's: it stands once, in the group of the segment, else in that of the largest part.

    Args:
        region: of one lung.
        context: what the report is about.
        finding: with the region; what is measured of the lungs, and the comparison.
        first: whether no other region's groups come before: these have what concerns both lungs.
    """
    about = {
        "measurements": measurements_of(finding, region.laterality, first=first),
        "qualitative_evaluations": evaluations_of(finding, region.laterality, first=first),
    }
    groups = [
        _outline_group(region, part, number, context, about if context.seg is None and number == 1 else {})
        for number, part in enumerate(outlined_parts(region), 1)
    ]
    if context.seg is None:
        return groups
    return [*groups, _segment_group(region, context.seg, context, about)]


def whole_image_group(finding: Finding, context: Context) -> MeasurementsAndQualitativeEvaluations:
    """Build the group of an image without a marked region: Absent, or Undetermined where a zone was named."""
    judgement = codes.UNDETERMINED if any(finding.zones) else codes.ABSENT
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=result_uid(context.radiograph, context.algorithm, "tracking image"),
            identifier=context.language.whole_image,
        ),
        algorithm_id=_algorithm(context.algorithm),
        measurements=measurements_of(finding, None, first=True) or None,
        qualitative_evaluations=[
            QualitativeEvaluation(codes.INFECTION, judgement),
            *evaluations_of(finding, None, first=True),
        ],
        source_images=[SourceImageForMeasurementGroup.from_source_image(context.source)],
    )


def _outline_group(
    region: LungRegion, part: Component, number: int, context: Context, about: dict[str, Any]
) -> _Planar:
    return _Planar(
        referenced_region=ImageRegion(
            "POLYLINE", outline_of(part), SourceImageForRegion.from_source_image(context.source)
        ),
        **{**about, "measurements": [*_area(part, context.radiograph), *about.get("measurements", [])]},
        **_common_of(region, number, context),
    )


def _segment_group(region: LungRegion, seg: Dataset, context: Context, about: dict[str, Any]) -> _Planar:
    uid = tracking_uid(context.radiograph, context.algorithm, region.laterality)
    number = next((item.SegmentNumber for item in seg.SegmentSequence if item.TrackingUID == uid), None)
    if number is None:
        name = ENGLISH.region_name(region.laterality)
        raise InvalidResult(f"the SEG has no segment for {name}; encode both from one finding")
    reference = ReferencedSegmentationFrame(
        sop_class_uid=seg.SOPClassUID,
        sop_instance_uid=seg.SOPInstanceUID,
        frame_number=number,
        segment_number=number,
        source_image=SourceImageForSegmentation.from_source_image(context.source),
    )
    # PS3.3 Table 10-3: a frame number is for references without a segment number.
    del reference[0].ReferencedSOPSequence[0].ReferencedFrameNumber
    return _Planar(referenced_segment=reference, **about, **_common_of(region, 1, context))


def _common_of(region: LungRegion, number: int, context: Context) -> dict[str, Any]:
    """Give what the groups of a region have in common; *number* counts its outlined parts."""
    uid = tracking_uid(context.radiograph, context.algorithm, region.laterality, number)
    name = context.language.region_name(region.laterality, number)
    return {
        "tracking_identifier": TrackingIdentifier(uid=uid, identifier=name),
        "finding_type": codes.INFECTION,
        "finding_category": codes.ABNORMAL_STRUCTURE,
        "finding_sites": [
            FindingSite(codes.LUNG_OF[region.laterality], laterality=codes.LATERALITY[region.laterality])
        ],
        "algorithm_id": _algorithm(context.algorithm),
    }


def _area(part: Component, radiograph: Radiograph) -> list[Measurement]:
    if radiograph.spacing_mm is None:
        return []
    rows, columns = radiograph.spacing_mm
    return [
        Measurement(
            name=codes.AREA,
            value=rounded(part.size * rows * columns),
            unit=codes.SQUARE_MILLIMETRE,
            method=codes.AT_DETECTOR if radiograph.spacing_at_detector else None,
        )
    ]


def _algorithm(algorithm: Algorithm) -> AlgorithmIdentification:
    return AlgorithmIdentification(
        name=algorithm.name,
        version=algorithm.version,
        family=codes.ALGORITHM_FAMILY,
        manufacturer=MANUFACTURER,
    )
