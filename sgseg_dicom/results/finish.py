"""The last steps of every result: one clock, our provenance, and a proof that its text reads back."""

from datetime import datetime
from io import BytesIO

from pydicom import Dataset, dcmread
from pydicom.dataelem import DataElement
from pydicom.tag import BaseTag
from pydicom.valuerep import DA, TM, VR

from sgseg_dicom.errors import InvalidResult
from sgseg_dicom.records import Algorithm, Source
from sgseg_dicom.results.provenance import contributing_equipment

_PADDING = " \0"
_TEXT = (VR.AE, VR.CS, VR.LO, VR.LT, VR.PN, VR.SH, VR.ST, VR.UC, VR.UI, VR.UT)
_LIBRARY = "highdicom"


def finish(result: Dataset, *, radiograph: Source, algorithm: Algorithm, made_at: datetime) -> Dataset:
    """
    Put the patient's name, *made_at* and the algorithm into a result, check its text, and give it back.

    highdicom stamps the clock, and itself as Processing Equipment: but that is what IHE AIR calls an
    algorithm. Its name stays in the file meta information.

    Raises:
        InvalidResult: a text would not be read as it was meant.
    """
    result.PatientName = radiograph.header.get("PatientName") or ""
    for kind in ("InstanceCreation", "Content", "Series"):
        setattr(result, f"{kind}Date", DA(made_at.date()))
        setattr(result, f"{kind}Time", TM(made_at.time()))
    others = [
        item for item in result.ContributingEquipmentSequence if item.get("ManufacturerModelName") != _LIBRARY
    ]
    result.ContributingEquipmentSequence = [*others, contributing_equipment(algorithm, made_at)]
    require_readable(result)
    return result


def require_readable(result: Dataset) -> None:
    """
    Write and read a result in memory, and compare every text, at every depth.

    Raises:
        InvalidResult: a text differs, for example because the character set cannot hold it.
    """
    file = BytesIO()
    result.save_as(file, enforce_file_format=True)
    file.seek(0)
    if lost := _lost_text(result, dcmread(file)):
        raise InvalidResult(f"{lost} does not read back as it was written; the result is not sent")


def _lost_text(meant: Dataset, read: Dataset) -> str | None:
    for element in meant:
        if element.VR == VR.SQ:
            items = read[element.tag].value if element.tag in read else []
            if len(items) != len(element.value):
                return element.keyword
            for one, other in zip(element.value, items, strict=True):
                if lost := _lost_text(one, other):
                    return f"{element.keyword}.{lost}"
        elif element.VR in _TEXT and _text(element) != _written_text(read, element.tag):
            return element.keyword
    return None


def _text(element: DataElement) -> str:
    values = element.value if element.VM > 1 else [element.value or ""]
    return "\\".join(str(value) for value in values).rstrip(_PADDING)


def _written_text(read: Dataset, tag: BaseTag) -> str | None:
    # The bytes themselves: what any reader of UTF-8 sees, and faster than pydicom's conversion.
    raw = read.get_item(tag)
    if raw is None:
        return None
    if isinstance(raw, DataElement):
        return _text(raw)
    return (raw.value or b"").decode("utf-8", "replace").rstrip(_PADDING)
