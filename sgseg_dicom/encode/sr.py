"""Finding -> DICOM Structured Report draft: Comprehensive 3D SR, TID 1500 Measurement Report (PS3.16)."""

from datetime import datetime

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import (
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes as dicom_codes

from sgseg_dicom.encode import codes
from sgseg_dicom.encode.finish import finish
from sgseg_dicom.encode.provenance import MANUFACTURER, serial_number
from sgseg_dicom.encode.source import CHARACTER_SET, source_of
from sgseg_dicom.encode.sr_groups import Context, region_groups, whole_image_group
from sgseg_dicom.encode.sr_statements import image_library, qualitative_evaluations
from sgseg_dicom.encode.uids import device_uid, result_uid
from sgseg_dicom.records import Algorithm, Finding, Radiograph

SERIES_NUMBER = 9002
SERIES_DESCRIPTION = "Infected lung regions, report - DRAFT - not verified"


def encode_sr(
    radiograph: Radiograph, finding: Finding, seg: Dataset | None, *, algorithm: Algorithm, made_at: datetime
) -> Dataset:
    """
    Write the finding as a draft (PARTIAL, UNVERIFIED, PRELIMINARY), also where nothing was found.

    The root holds the image library, a measurement group for each region's outlines and segment (one about
    the whole image where there is no region), and under Qualitative Evaluations the sentence, the six zones,
    the extents and the warning. No measurement without a known spacing; no certainty.

    Args:
        radiograph: the source image.
        finding: what to report.
        seg: the Segmentation of the same finding, which the groups reference; None where there is none.
        algorithm: who made it.
        made_at: the site's local time; the same time gives the same bytes.

    Raises:
        InvalidResult: *seg* is not of this finding, or a text did not read back as it was meant.
    """
    source = source_of(radiograph)
    context = Context(radiograph=radiograph, source=source, algorithm=algorithm, seg=seg)
    report = Comprehensive3DSR(
        evidence=[source] if seg is None else [source, seg],
        content=_report(finding, context),
        series_instance_uid=result_uid(radiograph, algorithm, "SR series"),
        series_number=SERIES_NUMBER,
        series_description=SERIES_DESCRIPTION,
        sop_instance_uid=result_uid(radiograph, algorithm, "SR"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=algorithm.name,
        software_versions=algorithm.version,
        device_serial_number=serial_number(algorithm),
        is_complete=False,
        is_verified=False,
        is_final=False,
        coding_schemes=[
            CodingSchemeIdentificationItem(
                codes.PRIVATE_SCHEME, name="Codes of sgseg-dicom", responsible_organization=MANUFACTURER
            )
        ],
        specific_character_set=CHARACTER_SET,
    )
    return finish(report, radiograph=radiograph, algorithm=algorithm, made_at=made_at)


def _report(finding: Finding, context: Context) -> MeasurementReport:
    groups = [group for region in finding.regions for group in region_groups(region, context)]
    report = MeasurementReport(
        observation_context=_observation_context(context.algorithm),
        procedure_reported=codes.PROCEDURE_REPORTED,
        imaging_measurements=groups or [whole_image_group(finding, context)],
        title=dicom_codes.cid7021.ImagingMeasurementReport,
    )
    root = report[0].ContentSequence
    root.insert(len(root) - 1, image_library(context.source))  # TID 1500: before the Imaging Measurements
    root.append(qualitative_evaluations(finding, context))
    return report


def _observation_context(algorithm: Algorithm) -> ObservationContext:
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
