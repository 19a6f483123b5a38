"""The last steps of every result: one clock and our provenance."""

from datetime import datetime

from pydicom import Dataset
from pydicom.valuerep import DA, TM

from sgseg_dicom.records import Algorithm, Source
from sgseg_dicom.results.provenance import contributing_equipment

_LIBRARY = "highdicom"


def finish(result: Dataset, *, radiograph: Source, algorithm: Algorithm, made_at: datetime) -> Dataset:
    """
    Put the patient's name, *made_at* and the algorithm into a result, and give it back.

    highdicom stamps the clock, and itself as Processing Equipment: but that is what IHE AIR calls an
    algorithm. Its name stays in the file meta information.
    """
    result.PatientName = radiograph.header.get("PatientName") or ""
    for kind in ("InstanceCreation", "Content", "Series"):
        setattr(result, f"{kind}Date", DA(made_at.date()))
        setattr(result, f"{kind}Time", TM(made_at.time()))
    others = [
        item for item in result.ContributingEquipmentSequence if item.get("ManufacturerModelName") != _LIBRARY
    ]
    result.ContributingEquipmentSequence = [*others, contributing_equipment(algorithm, made_at)]
    return result
