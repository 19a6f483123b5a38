"""Rules for the fallbacks without machine-readable meaning: secondary captures and presentation states."""

from collections.abc import Iterator

from pydicom import Dataset

from sgseg_dicom.check.attributes import items, text
from sgseg_dicom.check.case import Case
from sgseg_dicom.check.identity import references_source
from sgseg_dicom.check.rules import Broken, Rule


def capture(ds: Dataset, case: Case) -> Iterator[Broken]:
    """Check a secondary capture (PS3.3 A.8)."""
    if text(ds, "BurnedInAnnotation") != "YES":
        yield Rule.PICTURE_ANNOTATED, "BurnedInAnnotation"
    sources = [*items(ds, "SourceImageSequence"), *items(ds, "ReferencedImageSequence")]
    if not references_source(sources, case):
        yield Rule.SOURCE_REFERENCED, "SourceImageSequence"


def state(ds: Dataset, case: Case) -> Iterator[Broken]:
    """Check a presentation state (PS3.3 A.33.1, C.11.11)."""
    shown = [
        image
        for series in items(ds, "ReferencedSeriesSequence")
        for image in items(series, "ReferencedImageSequence")
    ]
    if not references_source(shown, case):
        yield Rule.SOURCE_REFERENCED, "ReferencedSeriesSequence"
