"""Whether two files have the same content, no matter which software wrote them."""

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
    Give the SHA-256 of the encoded data set and its transfer syntax, without the rest of the file meta information.

    Raises:
        InvalidDataset: the preamble, the group length or the transfer syntax is missing.
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
    Report whether two files hold the same values, in explicit or implicit VR, with defined or undefined lengths.

    An image that arrives over two routes, for example from the modality and from the archive, may come in two
    encodings. Compressed and big endian files are not compared: False.
    """
    try:
        one, other = _plain_bytes(first), _plain_bytes(second)
    except (*UNPARSABLE, InvalidDicomError, EOFError, OSError, KeyError):
        return False
    return one is not None and one == other


def _plain_bytes(path: Path) -> bytes | None:
    """Encode as Implicit VR Little Endian, sequences with defined lengths; None where the pixels are compressed."""
    ds = dcmread(path)
    if ds.file_meta.TransferSyntaxUID not in _PLAIN:
        return None
    _define_lengths(ds)
    encoded = DicomBytesIO()
    encoded.is_little_endian, encoded.is_implicit_VR = True, True
    write_dataset(encoded, ds)
    return encoded.getvalue()


def _define_lengths(ds: Dataset) -> None:
    """Give all sequences and items a defined length."""
    for element in ds:
        if element.VR == "SQ":
            element.is_undefined_length = False
            for item in element.value:
                item.is_undefined_length_sequence_item = False
                _define_lengths(item)


def _transfer_syntax(meta: bytes) -> bytes:
    """Give the value of (0002,0010): the same bytes in another transfer syntax are other content."""
    start = meta.find(b"\x02\x00\x10\x00UI")
    if start < 0:
        raise InvalidDataset("the file meta information names no transfer syntax (PS3.10 7.1)")
    length = int.from_bytes(meta[start + 6 : start + 8], "little")
    return meta[start + 8 : start + 8 + length]
