"""
A result -> its bytes, written once, and the proof that its text reads back.

What is read back here is what is checked, kept and sent: nothing is encoded a second time.
"""

from io import BytesIO

from pydicom import Dataset, dcmread
from pydicom.charset import convert_encodings
from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag
from pydicom.valuerep import VR

from sgseg_dicom.errors import InvalidResult
from sgseg_dicom.records import WrittenObject
from sgseg_dicom.results.sequence_bytes import CHARACTER_SET, sequence_of

_PADDING = " \0"
_TEXT = frozenset({VR.AE, VR.CS, VR.LO, VR.LT, VR.PN, VR.SH, VR.ST, VR.UC, VR.UI, VR.UT})


def write(result: Dataset) -> WrittenObject:
    """
    Write a result as a DICOM file in memory, read it, and compare every text, at every depth.

    Raises:
        InvalidResult: a text differs, for example because the character set cannot hold it.
    """
    content = _encoded(result)
    read = dcmread(BytesIO(content))
    if lost := _lost_text(result, read):
        raise InvalidResult(f"{lost} does not read back as it was written; the result is not sent")
    return WrittenObject(content=content, dataset=read)


def _encoded(result: Dataset) -> bytes:
    file = BytesIO()
    _with_written_sequences(result).save_as(file, enforce_file_format=True)
    return file.getvalue()


def _with_written_sequences(result: Dataset) -> Dataset:
    """Give a shallow copy whose sequences are bytes already; the result itself where pydicom must write them."""
    plain = all(len(element.VR) == 2 for element in result)  # pydicom decides "OB or OW" while it writes
    if not plain or result.get("SpecificCharacterSet") != CHARACTER_SET:
        return result
    try:
        sequences = [sequence_of(element) for element in result if element.VR == VR.SQ]
    except ValueError:  # letters without UTF-8 among them: pydicom writes "?", and the comparison finds it
        return result
    shell = Dataset()
    shell.file_meta, shell.preamble = result.file_meta, b"\0" * 128
    shell.update({element.tag: element for element in result if element.VR != VR.SQ})
    shell.update({sequence.tag: sequence for sequence in sequences})
    shell.set_original_encoding(
        False, True, convert_encodings(CHARACTER_SET)
    )  # so that they are not parsed again
    return shell


def _lost_text(meant: Dataset, read: Dataset) -> str | None:
    for tag in sorted(meant.keys()):
        element = meant.get_item(tag)  # several times faster than by index, which is for raw ones
        if not isinstance(element, DataElement):
            element = meant[tag]
        if element.VR == VR.SQ:
            items = read[tag].value if tag in read else []
            if len(items) != len(element.value):
                return element.keyword
            for one, other in zip(element.value, items, strict=True):
                if lost := _lost_text(one, other):
                    return f"{element.keyword}.{lost}"
        elif element.VR in _TEXT and _text(element.value) != _written_text(read, tag):
            return element.keyword
    return None


def _text(value: object) -> str:
    if isinstance(value, MultiValue | list | tuple):
        value = "\\".join(map(str, value))
    return str(value or "").rstrip(_PADDING)


def _written_text(read: Dataset, tag: BaseTag) -> str | None:
    # The bytes themselves: what any reader of UTF-8 sees, and faster than pydicom's conversion.
    raw = read.get_item(tag)
    if raw is None:
        return None
    if isinstance(raw, DataElement):
        return _text(raw.value)
    return (raw.value or b"").decode("utf-8", "replace").rstrip(_PADDING)
