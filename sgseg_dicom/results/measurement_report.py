"""Finding -> DICOM Structured Report draft: TID 1500 Measurement Report (PS3.16), with the sentence."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import (
    Comprehensive3DSR,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes as dicom_codes

from sgseg_dicom.language.language import ENGLISH, Language
from sgseg_dicom.own_results import MANUFACTURER
from sgseg_dicom.records import Algorithm, Finding, Radiograph
from sgseg_dicom.result_kinds import Kind, SrClass
from sgseg_dicom.results import codes
from sgseg_dicom.results.finish import finish
from sgseg_dicom.results.measurement_groups import Context, region_groups, whole_image_group
from sgseg_dicom.results.provenance import instance_keywords, serial_number
from sgseg_dicom.results.report_items import image_library, language_of, qualitative_evaluations
from sgseg_dicom.results.seg import form_suffix
from sgseg_dicom.results.series import series_keywords
from sgseg_dicom.results.source_header import source_of
from sgseg_dicom.results.sr_document import document_of
from sgseg_dicom.results.uids import device_uid

_CLASSES: Mapping[SrClass, type[ComprehensiveSR | Comprehensive3DSR]] = {
    "comprehensive-3d": Comprehensive3DSR,
    "comprehensive": ComprehensiveSR,
}


def encode_sr(
    radiograph: Radiograph,
    finding: Finding,
    seg: Dataset | None,
    *,
    algorithm: Algorithm,
    made_at: datetime,
    sr_class: SrClass = "comprehensive-3d",
    language: Language = ENGLISH,
) -> Dataset:
    """
    Write the finding as a draft (PARTIAL, UNVERIFIED, PRELIMINARY), also where nothing was found.

    The root holds the image library, a measurement group for each region's outlines and segment (one about
    the whole image where there is no region), and under Qualitative Evaluations the sentence, the six zones,
    the extents and the warning. Where a lung was found, a group states the region's share of it. No area without a
    known spacing; no certainty.

    Args:
        radiograph: the source image.
        finding: what to report.
        seg: the Segmentation of the same finding, which the groups reference; None where there is none.
        algorithm: who made it.
        made_at: the site's local time; the same time gives the same bytes.
        sr_class: "comprehensive" is for readers without 3D; the content is the same. Each class, and each form
            of *seg* that is referenced, is an instance of its own.
        language: of what readers see, as the report says (TID 1204); the codes are the standard's, and the
            canonical English sentence stays beside that of another language.

    Raises:
        InvalidResult: *seg* is not of this finding.
    """
    source = source_of(radiograph)
    context = Context(radiograph=radiograph, source=source, algorithm=algorithm, seg=seg, language=language)
    form = "SR" if sr_class == "comprehensive-3d" else "SR comprehensive"
    form += referenced_form(finding, seg) + language.form + compared_form(finding)
    report = document_of(
        _CLASSES[sr_class],
        _report(finding, context)[0],
        [*([source] if seg is None else [source, seg]), *compared_images(finding)],
        **instance_keywords(radiograph, algorithm, form),
        **series_keywords(radiograph, Kind.SR, finding, language),
        **draft_keywords(),
    )
    return finish(report, radiograph=radiograph, algorithm=algorithm, made_at=made_at)


def draft_keywords() -> dict[str, Any]:
    """Give what every report's constructor needs: PARTIAL, UNVERIFIED, PRELIMINARY, and whose our codes are."""
    return {
        "is_complete": False,
        "is_verified": False,
        "is_final": False,
        "coding_schemes": [
            CodingSchemeIdentificationItem(
                codes.PRIVATE_SCHEME, name="Codes of sgseg-dicom", responsible_organization=MANUFACTURER
            )
        ],
    }


def referenced_form(finding: Finding, seg: Dataset | None) -> str:
    """Name what a report references as SEG, for its UID: "" for BINARY, and where there is nothing to mark."""
    if seg is None:
        return " without SEG" if finding.regions else ""
    return form_suffix(seg.SegmentationType)


def compared_form(finding: Finding) -> str:
    """Name what a report is compared with, for its UID; "" without a comparison."""
    return "" if finding.comparison is None else finding.comparison.form


def compared_images(finding: Finding) -> list[Dataset]:
    """Give the earlier image, which the report references, as evidence of another study."""
    if finding.comparison is None:
        return []
    reference, image = finding.comparison.prior.reference, Dataset()
    image.SOPClassUID, image.SOPInstanceUID = reference.sop_class_uid, reference.sop_instance_uid
    image.StudyInstanceUID, image.SeriesInstanceUID = reference.study_uid, reference.series_uid
    return [image]


def _report(finding: Finding, context: Context) -> MeasurementReport:
    groups = [
        group
        for number, region in enumerate(finding.regions)
        for group in region_groups(region, context, finding=finding, first=not number)
    ]
    report = MeasurementReport(
        observation_context=observation_context(context.algorithm),
        procedure_reported=codes.PROCEDURE_REPORTED,
        imaging_measurements=groups or [whole_image_group(finding, context)],
        title=dicom_codes.cid7021.ImagingMeasurementReport,
        language_of_content_item_and_descendants=language_of(context.language),
    )
    root = report[0].ContentSequence
    root.insert(len(root) - 1, image_library(context.source))  # TID 1500: before the Imaging Measurements
    root.append(qualitative_evaluations(finding, context))
    return report


def observation_context(algorithm: Algorithm) -> ObservationContext:
    """Name the algorithm as the observer (TID 1001, 1004), as the Contributing Equipment does (IHE AIR)."""
    device = DeviceObserverIdentifyingAttributes(
        uid=device_uid(algorithm),
        name=algorithm.name,
        manufacturer_name=MANUFACTURER,
        model_name=algorithm.name,
        serial_number=serial_number(algorithm),
    )
    return ObservationContext(
        observer_device_context=ObserverContext(
            observer_type=dicom_codes.DCM.Device, observer_identifying_attributes=device
        )
    )
