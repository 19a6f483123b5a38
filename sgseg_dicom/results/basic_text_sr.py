"""A Basic Text SR (PS3.3 A.35.1) of TID 2000 (PS3.16): the form of report that every viewer can show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from highdicom.sr import (
    CodeContentItem,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    EnhancedSR,
    ImageContentItem,
    TextContentItem,
)
from pydicom import Dataset
from pydicom.uid import BasicTextSRStorage

from sgseg_dicom.language.language import Language
from sgseg_dicom.records import Algorithm, Source
from sgseg_dicom.results import codes
from sgseg_dicom.results.finish import finish
from sgseg_dicom.results.measurement_report import draft_keywords, observation_context
from sgseg_dicom.results.provenance import instance_keywords
from sgseg_dicom.results.report_items import language_of
from sgseg_dicom.results.sr_document import document_of

_CONTAINS = "CONTAINS"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TextReport:
    """
    What one Basic Text SR says.

    Attributes:
        form: of the object, for its UIDs; what differs in content differs in form.
        series: number and description of its series (`sgseg_dicom.results.series`).
        sections: in order; see `section`.
        evidence: the image's header as results take it over, and whatever else is referenced.
    """

    form: str
    series: Mapping[str, Any]
    sections: Sequence[ContainerContentItem]
    evidence: Sequence[Dataset]


def section(heading: codes.Code, items: Sequence[ContentItem]) -> ContainerContentItem:
    """Build a section (CID 7001) of *items*."""
    container = ContainerContentItem(heading, is_content_continuous=False, relationship_type=_CONTAINS)
    container.ContentSequence = ContentSequence(items)
    return container


def text(name: codes.Code, value: str) -> TextContentItem:
    """Build a paragraph."""
    return TextContentItem(name, value, relationship_type=_CONTAINS)


def code(name: codes.Code, value: codes.Code) -> CodeContentItem:
    """Build a coded statement."""
    return CodeContentItem(name, value, relationship_type=_CONTAINS)


def image(name: codes.Code, referenced: Dataset) -> ImageContentItem:
    """Build a reference to an image or a SEG."""
    return ImageContentItem(
        name, referenced.SOPClassUID, referenced.SOPInstanceUID, relationship_type=_CONTAINS
    )


def write_report(
    report: TextReport, source: Source, *, algorithm: Algorithm, made_at: datetime, language: Language
) -> Dataset:
    """
    Write a report as a draft: PARTIAL, UNVERIFIED, PRELIMINARY.

    As highdicom's Enhanced SR, which allows all of this; a Basic Text SR allows nothing else of TID 2000. Who
    observed (TID 1001) stands after the sections, since viewers show a tree from top to bottom: it holds for the
    whole of the report wherever it stands under the root (PS3.3 C.17.5).
    """
    root = ContainerContentItem(codes.REPORT, is_content_continuous=False, template_id="2000")
    root.ContentSequence = ContentSequence(
        [*language_of(language), *report.sections, *observation_context(algorithm)]
    )
    ds = document_of(
        EnhancedSR,
        root,
        report.evidence,
        **instance_keywords(source, algorithm, report.form),
        **report.series,
        **draft_keywords(),
    )
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    return finish(ds, radiograph=source, algorithm=algorithm, made_at=made_at)
