"""The kinds of result objects, what is fixed for each, and which of them a destination wants."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from pydicom.uid import (
    UID,
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

LABEL_MAP_SEGMENTATION_STORAGE = UID("1.2.840.10008.5.1.4.1.1.66.7")
"""Label Map Segmentation Storage (PS3.4 B.5), which pydicom does not name yet."""

Segmentation = Literal["auto", "binary", "fractional", "labelmap"]
SegmentationType = Literal["BINARY", "FRACTIONAL", "LABELMAP"]
SrClass = Literal["comprehensive-3d", "comprehensive"]


class Kind(StrEnum):
    """One kind of result object; the value is the word of a configuration's ``results`` list."""

    SEG = "seg"
    SR = "sr"
    TEXT = "text"
    CAPTURE = "secondary-capture"
    STATE = "presentation-state"


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectType:
    """
    What is fixed for a kind of result objects.

    Attributes:
        sop_classes: SOP Class UID (0008,0016); where there are several, the first is the default.
        series_place: the last digit of its Series Number (0020,0011), 1 to 9 (`sgseg_dicom.results.series`).
        file_name: name of the file with the object. An object in another form than the default has a longer name
            (`sgseg_dicom.results.encode`).
    """

    sop_classes: tuple[UID, ...]
    series_place: int
    file_name: str


OBJECT_TYPES: Mapping[Kind, ObjectType] = {
    Kind.SEG: ObjectType(
        sop_classes=(SegmentationStorage, LABEL_MAP_SEGMENTATION_STORAGE), series_place=1, file_name="seg.dcm"
    ),
    Kind.SR: ObjectType(
        sop_classes=(Comprehensive3DSRStorage, ComprehensiveSRStorage),
        series_place=2,
        file_name="sr.dcm",
    ),
    Kind.TEXT: ObjectType(sop_classes=(BasicTextSRStorage,), series_place=3, file_name="text.dcm"),
    Kind.CAPTURE: ObjectType(
        sop_classes=(SecondaryCaptureImageStorage,), series_place=5, file_name="secondary-capture.dcm"
    ),
    Kind.STATE: ObjectType(
        sop_classes=(GrayscaleSoftcopyPresentationStateStorage,),
        series_place=6,
        file_name="presentation-state.dcm",
    ),
}

NOT_JUDGED = ObjectType(sop_classes=(BasicTextSRStorage,), series_place=4, file_name="answer.dcm")
"""The report that an image was not judged."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one destination wants: kinds in any order, and the form of each that has several.

    ``segmentation`` "auto" is BINARY unless the image's Columns are no multiple of 8. ``sr_without_regions``: the
    coded report also where no region is marked. OHIF shows such a report as a black viewport, so it is left out by
    default; but for who wants no report in words, so that the image has its answer.
    """

    results: tuple[Kind, ...] = (Kind.SEG, Kind.SR, Kind.TEXT)
    segmentation: Segmentation = "auto"
    sr_class: SrClass = "comprehensive-3d"
    sr_without_regions: bool = False

    @property
    def sop_classes(self) -> tuple[UID, ...]:
        """SOP classes of the objects."""
        classes = {kind: OBJECT_TYPES[kind].sop_classes[0] for kind in self.results}
        if Kind.SEG in classes and self.segmentation == "labelmap":
            classes[Kind.SEG] = LABEL_MAP_SEGMENTATION_STORAGE
        if Kind.SR in classes and self.sr_class == "comprehensive":
            classes[Kind.SR] = ComprehensiveSRStorage
        return tuple(classes.values())

    def segmentation_type(self, columns: int) -> SegmentationType:
        """
        Give the Segmentation Type (0062,0001) of an image with so many Columns.

        Readers unpack BINARY wrongly where a row does not end at a byte (Orthanc, OHIF, Weasis).
        """
        if self.segmentation == "auto":
            return "FRACTIONAL" if columns % 8 else "BINARY"
        return _TYPE[self.segmentation]

    def is_sr_made(self, *, has_regions: bool) -> bool:
        """Whether the coded report is made of an image with or without a marked region."""
        return Kind.SR in self.results and (
            has_regions or self.sr_without_regions or Kind.TEXT not in self.results
        )


_TYPE: Mapping[str, SegmentationType] = MappingProxyType(
    {"binary": "BINARY", "fractional": "FRACTIONAL", "labelmap": "LABELMAP"}
)


RESULTS_FOLDER = "results folder"
"""Stands for a destination's name where results go to no destination, and only lie in a folder."""

FOR_RESULTS_FOLDER: Mapping[str, Wanted] = MappingProxyType({RESULTS_FOLDER: Wanted()})
"""What is wanted where nobody says otherwise."""
