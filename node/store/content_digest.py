"""The content of a received file, whoever wrote it down."""

import hashlib
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from sgseg_dicom.attributes import UNPARSABLE
from sgseg_dicom.errors import InvalidDataset

_PLAIN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)

_PREAMBLE = 132  # 128 bytes and "DICM" (PS3.10 7.1)
_GROUP_LENGTH = 12  # (0002,0000) UL: tag, VR, length, value


def content_digest(path: Path) -> str:
    """
    Give the sha256 of the data set as encoded; who wrote the file meta information does not count.

    Raises:
        InvalidDataset: no preamble, no group length.
    """
    with path.open("rb") as file:
        head = file.read(_PREAMBLE + _GROUP_LENGTH)
        if len(head) < _PREAMBLE + _GROUP_LENGTH or head[128:138] != b"DICM\x02\x00\x00\x00UL":
            raise InvalidDataset("the file has no DICOM file meta information (PS3.10 7.1)")
        meta = file.read(int.from_bytes(head[-4:], "little"))
        digest = hashlib.sha256(_transfer_syntax(meta))
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def same_data_set(first: Path, second: Path) -> bool:
    """
    Say whether two files hold the same values, with value representations or without, whatever their lengths' form.

    Over two routes (modality and archive, say) an image comes in two encodings. Compressed or big endian ones are
    not compared: False.
    """
    try:
        one, other = _plain_bytes(first), _plain_bytes(second)
    except (*UNPARSABLE, InvalidDicomError, EOFError, OSError, KeyError):
        return False
    return one is not None and one == other


def _plain_bytes(path: Path) -> bytes | None:
    """Encode as Implicit VR Little Endian, sequences with their lengths, groups without; None if it cannot be."""
    ds = dcmread(path)
    if ds.file_meta.TransferSyntaxUID not in _PLAIN:
        return None
    _say_lengths(ds)
    encoded = DicomBytesIO()
    encoded.is_little_endian, encoded.is_implicit_VR = True, True
    write_dataset(encoded, ds)
    return encoded.getvalue()


def _say_lengths(ds: Dataset) -> None:
    for element in ds:
        if element.VR == "SQ":
            element.is_undefined_length = False
            for item in element.value:
                item.is_undefined_length_sequence_item = False
                _say_lengths(item)


def _transfer_syntax(meta: bytes) -> bytes:
    """Give the value of (0002,0010): the same bytes in another transfer syntax are other content."""
    start = meta.find(b"\x02\x00\x10\x00UI")
    if start < 0:
        raise InvalidDataset("the file meta information names no transfer syntax (PS3.10 7.1)")
    length = int.from_bytes(meta[start + 6 : start + 8], "little")
    return meta[start + 8 : start + 8 + length]
