"""Who made a result: the Contributing Equipment of every object."""

from datetime import datetime
from typing import Any

from pydicom import Dataset
from pydicom.valuerep import DT

from sgseg_dicom import __version__
from sgseg_dicom.own_results import MANUFACTURER, PROCESSING_EQUIPMENT
from sgseg_dicom.records import Algorithm, Source
from sgseg_dicom.results.source_header import CHARACTER_SET
from sgseg_dicom.results.uids import device_uid, result_uid


def contributing_equipment(algorithm: Algorithm, made_at: datetime) -> Dataset:
    """
    Build our item of the Contributing Equipment Sequence (0018,A001), PS3.3 C.12.1.

    By hand: highdicom's `ContributingEquipment` knows no Device UID, which IHE AIR demands.
    """
    purpose = Dataset()
    purpose.CodeValue = PROCESSING_EQUIPMENT
    purpose.CodingSchemeDesignator = "DCM"
    purpose.CodeMeaning = "Processing Equipment"
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [purpose]
    item.Manufacturer = MANUFACTURER
    item.ManufacturerModelName = algorithm.name
    item.DeviceSerialNumber = serial_number(algorithm)
    item.SoftwareVersions = algorithm.version
    item.DeviceUID = device_uid(algorithm)
    item.ContributionDateTime = DT(made_at)
    # Software Versions is that of the weights' release; this says which software ran them.
    item.ContributionDescription = (
        f"Infected lung regions and location report, a draft; by sgseg-dicom {__version__}"
    )
    return item


REVISION = " 2"
"""Of what results say and how. It is a part of their UIDs: results of 0.3.0, which had none, are other objects."""


def instance_keywords(image: Source, algorithm: Algorithm, form: str) -> dict[str, Any]:
    """
    Give what highdicom's constructors all ask for: UIDs of a *form* of result ("SEG fractional"), and who made it.

    Each form of an image's results is an instance in a series of its own; what differs in content differs in form, or
    in REVISION, which counts up when a version says something else. What is tracked keeps its UID.
    """
    return {
        "series_instance_uid": result_uid(image, algorithm, f"{form}{REVISION} series"),
        "sop_instance_uid": result_uid(image, algorithm, f"{form}{REVISION}"),
        "instance_number": 1,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": algorithm.name,
        "software_versions": algorithm.version,
        "device_serial_number": serial_number(algorithm),
        "specific_character_set": CHARACTER_SET,
    }


def serial_number(algorithm: Algorithm) -> str:
    """Give the Device Serial Number (0018,1000): the start of the weights' digest."""
    return algorithm.weights_digest[:16]
