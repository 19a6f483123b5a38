"""Finding -> DICOM Segmentation: one segment per infected lung, on the source image's own grid."""

from collections.abc import Sequence
from copy import copy
from datetime import datetime

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import (
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
)

from sgseg_dicom.language.language import ENGLISH, Language
from sgseg_dicom.own_results import MANUFACTURER
from sgseg_dicom.records import Algorithm, Finding, LungRegion, Radiograph
from sgseg_dicom.result_kinds import Kind, SegmentationType
from sgseg_dicom.results import codes
from sgseg_dicom.results.finish import finish
from sgseg_dicom.results.overlay import LUNG_COLOURS
from sgseg_dicom.results.provenance import instance_keywords
from sgseg_dicom.results.series import content_label, series_keywords
from sgseg_dicom.results.source_header import source_of
from sgseg_dicom.results.uids import result_uid, tracking_uid
from sgseg_dicom.zones import Laterality

_MULTI_FRAME = (
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
)
_STAND_IN = (8, 8)
"""Rows and columns of the masks that highdicom gets in place of ours."""

_OCCUPIED = 255
"""Maximum Fractional Value (0062,000E)."""

_GEOMETRY = (("PixelSpacing", "SliceThickness"), ("ImageOrientationPatient",), ("ImagePositionPatient",))


def encode_seg(
    radiograph: Radiograph,
    finding: Finding,
    *,
    algorithm: Algorithm,
    made_at: datetime,
    segmentation_type: SegmentationType = "BINARY",
    language: Language = ENGLISH,
) -> Dataset | None:
    """
    Write the regions as a Segmentation (PS3.3 A.51); None where there is none.

    Args:
        radiograph: the source image.
        finding: regions on the stored grid, which do not overlap.
        algorithm: who made it.
        made_at: the site's local time; the same time gives the same bytes.
        segmentation_type: FRACTIONAL writes 0 and 255, for readers that unpack BINARY wrongly where Columns
            is not a multiple of 8; others do not know FRACTIONAL. LABELMAP is a Label Map Segmentation, a SOP class
            of its own (PS3.3 A.51, 2024). Each is an instance of its own.
        language: of what readers see; the codes are the standard's. Each is an instance of its own.
    """
    if not finding.regions:
        return None
    source = source_of(radiograph)
    image = _with_geometry(source, radiograph, algorithm)
    image.Rows, image.Columns = _STAND_IN
    form = f"SEG{form_suffix(segmentation_type)}{language.form}"
    segmentation = Segmentation(
        source_images=[image],
        pixel_array=_stand_in(len(finding.regions)),
        segmentation_type=segmentation_type,
        fractional_type="OCCUPANCY",
        segment_descriptions=[
            _segment(number, region, radiograph, algorithm, language)
            for number, region in enumerate(finding.regions, 1)
        ],
        **instance_keywords(radiograph, algorithm, form),
        **series_keywords(radiograph, Kind.SEG, finding, language),
        content_label=content_label(Kind.SEG, finding),
        content_description=language.seg_content,
    )
    # highdicom describes a label map's background as a segment of its own, which Pixel Padding Value says already.
    # OHIF counts it: the right lung is then black, and the left one has the right one's colour.
    segmentation.SegmentSequence = [item for item in segmentation.SegmentSequence if item.SegmentNumber > 0]
    # PS3.3 C.7.6.1: Type 2C without an image orientation at the root. highdicom does not copy it.
    segmentation.PatientOrientation = source.get("PatientOrientation")
    segmentation.BodyPartExamined = "CHEST"  # unpaired: Laterality (0020,0060) is then not required
    _set_pixels(segmentation, finding.regions)
    _fix_dimension_uid(segmentation, result_uid(radiograph, algorithm, "SEG dimensions"))
    return finish(segmentation, radiograph=radiograph, algorithm=algorithm, made_at=made_at)


def form_suffix(segmentation_type: SegmentationType) -> str:
    """Name a form of a SEG, for UIDs and file names: "" for BINARY, else for example " fractional"."""
    return "" if segmentation_type == "BINARY" else f" {segmentation_type.lower()}"


def _stand_in(segments: int) -> NDArray[np.uint8]:
    """Give a label map in which each segment has a pixel, so that highdicom gives each a frame."""
    labels = np.zeros(_STAND_IN, dtype=np.uint8)
    labels.flat[:segments] = range(1, segments + 1)
    return labels


def _set_pixels(segmentation: Dataset, regions: Sequence[LungRegion]) -> None:
    """
    Put the masks in: one frame each, or one of all segments' numbers where it is a label map.

    Packed without a gap (PS3.5 8.1.1), and padded with a zero byte (PS3.5 6.2, OB).

    highdicom copies masks several times to ask what these cannot be, and pads with the digit "0", a value of 48.
    """
    segmentation.Rows, segmentation.Columns = regions[0].mask.shape
    if segmentation.SegmentationType == "LABELMAP":
        labels = sum(number * region.mask.view(np.uint8) for number, region in enumerate(regions, 1))
        data = np.asarray(labels, dtype=np.uint8).tobytes()
    elif segmentation.SegmentationType == "BINARY":
        frames = np.concatenate([region.mask.ravel() for region in regions])
        data = np.packbits(frames, bitorder="little").tobytes()
    else:
        data = b"".join((region.mask.view(np.uint8) * np.uint8(_OCCUPIED)).tobytes() for region in regions)
    segmentation.add_new("PixelData", "OB", data + b"\0" * (len(data) % 2))


def _segment(
    number: int, region: LungRegion, radiograph: Radiograph, algorithm: Algorithm, language: Language
) -> SegmentDescription:
    name = language.region_name(region.laterality)
    segment = SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=codes.ABNORMAL_STRUCTURE,
        segmented_property_type=codes.INFECTION,
        algorithm_type="AUTOMATIC",
        algorithm_identification=AlgorithmIdentificationSequence(
            name=algorithm.name,
            family=codes.ALGORITHM_FAMILY,
            version=algorithm.version,
            source=MANUFACTURER,
        ),
        tracking_uid=tracking_uid(radiograph, algorithm, region.laterality),
        tracking_id=name,
        display_color=_colour(region.laterality),
    )
    segment.AnatomicRegionSequence = [codes.lung_with_laterality(region.laterality)]
    segment.SegmentDescription = f"{language.warning(algorithm)} {language.nominal_geometry}"
    return segment


def _colour(side: Laterality) -> CIELabColor:
    return CIELabColor.from_rgb(*LUNG_COLOURS[side])


def _with_geometry(source: Dataset, radiograph: Radiograph, algorithm: Algorithm) -> Dataset:
    """
    Give the source, in memory only, the geometry that a radiograph lacks and viewers need.

    PS3.3 A.51.3 lets a Segmentation of a projection have it; without, viewers show nothing or a black screen.
    """
    image = copy(source)
    rows, columns = radiograph.spacing_mm or (1.0, 1.0)
    image.FrameOfReferenceUID = result_uid(radiograph, algorithm, "frame of reference")
    image.PositionReferenceIndicator = ""
    image.ImagePositionPatient = [0, 0, 0]
    image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    image.PixelSpacing = [rows, columns]
    image.SliceThickness = 1
    if image.SOPClassUID in _MULTI_FRAME:
        _add_functional_groups(image)
    return image


def _add_functional_groups(image: Dataset) -> None:
    """Write the geometry once more, where highdicom reads it in a multi-frame image (of one frame)."""
    measures, orientation, position = (_part(image, *keywords) for keywords in _GEOMETRY)
    shared, of_frame = Dataset(), Dataset()
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    of_frame.PlanePositionSequence = [position]
    image.NumberOfFrames = 1
    image.SharedFunctionalGroupsSequence, image.PerFrameFunctionalGroupsSequence = [shared], [of_frame]


def _part(image: Dataset, *keywords: str) -> Dataset:
    part = Dataset()
    for keyword in keywords:
        part.add(image[keyword])
    return part


def _fix_dimension_uid(segmentation: Dataset, uid: str) -> None:
    for item in (*segmentation.DimensionOrganizationSequence, *segmentation.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid
