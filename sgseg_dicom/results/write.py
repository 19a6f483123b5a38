"""
A result -> its bytes, written once, and the proof that its text reads back.

What is read back here is what is checked, kept and sent: nothing is encoded a second time.
"""

from io import BytesIO

from pydicom import Dataset, dcmread
from pydicom.dataelem import DataElement
from pydicom.tag import BaseTag
from pydicom.valuerep import VR

from sgseg_dicom.errors import InvalidResult
from sgseg_dicom.records import WrittenObject

_PADDING = " \0"
_TEXT = frozenset({VR.AE, VR.CS, VR.LO, VR.LT, VR.PN, VR.SH, VR.ST, VR.UC, VR.UI, VR.UT})


def write(result: Dataset) -> WrittenObject:
    """
    Write a result as a DICOM file in memory, read it, and compare every text, at every depth.

    Raises:
        InvalidResult: a text differs, for example because the character set cannot hold it.
    """
    file = BytesIO()
    result.save_as(file, enforce_file_format=True)
    content = file.getvalue()
    read = dcmread(BytesIO(content))
    if lost := _lost_text(result, read):
        raise InvalidResult(f"{lost} does not read back as it was written; the result is not sent")
    return WrittenObject(content=content, dataset=read)


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
