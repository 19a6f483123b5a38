"""The forms a result can take, and what one receiver of results wants of them."""

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

Segmentation = Literal["auto", "binary", "fractional"]
SegmentationType = Literal["BINARY", "FRACTIONAL"]
SrClass = Literal["comprehensive-3d", "comprehensive"]


class Kind(StrEnum):
    """One kind of result object; the value is the word of a configuration's ``results`` list."""

    SEG = "seg"
    SR = "sr"
    TEXT = "text"
    CAPTURE = "secondary-capture"
    STATE = "presentation-state"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one destination wants: kinds in any order, and the form of each that has several.

    ``segmentation`` "auto" is BINARY unless the image's Columns are no multiple of 8.
    """

    results: tuple[Kind, ...] = (Kind.SEG, Kind.SR, Kind.TEXT)
    segmentation: Segmentation = "auto"
    sr_class: SrClass = "comprehensive-3d"

    @property
    def sop_classes(self) -> tuple[UID, ...]:
        """SOP classes of the objects."""
        comprehensive = self.sr_class == "comprehensive"
        of_kind = {
            Kind.SEG: SegmentationStorage,
            Kind.SR: ComprehensiveSRStorage if comprehensive else Comprehensive3DSRStorage,
            Kind.TEXT: BasicTextSRStorage,
            Kind.CAPTURE: SecondaryCaptureImageStorage,
            Kind.STATE: GrayscaleSoftcopyPresentationStateStorage,
        }
        return tuple(of_kind[kind] for kind in self.results)

    def segmentation_type(self, columns: int) -> SegmentationType:
        """
        Give the Segmentation Type (0062,0001) of an image with so many Columns.

        Readers unpack BINARY wrongly where a row does not end at a byte (Orthanc, OHIF, Weasis).
        """
        if self.segmentation == "auto":
            return "FRACTIONAL" if columns % 8 else "BINARY"
        return "BINARY" if self.segmentation == "binary" else "FRACTIONAL"


RESULTS_FOLDER = "results folder"
"""Stands for a destination's name where results go to no destination, and only lie in a folder."""

FOR_RESULTS_FOLDER: Mapping[str, Wanted] = MappingProxyType({RESULTS_FOLDER: Wanted()})
"""What is wanted where nobody says otherwise."""
