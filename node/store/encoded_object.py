"""A result as the bytes that are stored and sent."""

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from pydicom import Dataset, dcmread

if TYPE_CHECKING:
    from sgseg_dicom.records import WrittenObject


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedObject:
    """
    One result as a DICOM file (PS3.10).

    Attributes:
        sop_instance_uid: SOP Instance UID (0008,0018).
        content: all bytes of the file.
    """

    sop_instance_uid: str
    content: bytes

    def decoded(self) -> Dataset:
        """Give the data set."""
        return dcmread(BytesIO(self.content))


def object_of(written: "WrittenObject") -> EncodedObject:
    """Take a result as it was written."""
    return EncodedObject(sop_instance_uid=str(written.dataset.SOPInstanceUID), content=written.content)


def encoded(ds: Dataset) -> EncodedObject:
    """Encode a data set as a DICOM file (PS3.10)."""
    buffer = BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return EncodedObject(sop_instance_uid=str(ds.SOPInstanceUID), content=buffer.getvalue())
