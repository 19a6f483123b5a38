"""The data set of a stored file, inflated where it is deflated: onto the disk, piece by piece, and only so far."""

import zlib
from typing import BinaryIO

from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from node.store.content_digest import read_transfer_syntax
from sgseg_dicom.errors import InvalidDataset
from sgseg_dicom.reading.inflated_file import MOST_BYTES

_PIECE = 1 << 18


def data_set_of(file: BinaryIO, inflated: BinaryIO) -> tuple[str, BinaryIO]:
    """
    Give the transfer syntax of a data set that can be read, and a file that stands where it begins.

    Args:
        file: a DICOM file, at its beginning.
        inflated: an empty file for the data set, where the one in *file* is deflated (PS3.5 A.5).

    Raises:
        InvalidDataset: no file meta information, or more than any image has comes out of it.
    """
    syntax = read_transfer_syntax(file).rstrip(b"\0 ").decode("latin-1")
    if syntax != DeflatedExplicitVRLittleEndian:
        return syntax, file
    _inflate(file, inflated)
    inflated.seek(0)
    return str(ExplicitVRLittleEndian), inflated


def _inflate(file: BinaryIO, inflated: BinaryIO) -> None:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    size = 0
    try:
        while not inflater.eof and (packed := inflater.unconsumed_tail or file.read(_PIECE)):
            size += inflated.write(inflater.decompress(packed, _PIECE))
            if size > MOST_BYTES:
                raise InvalidDataset(f"the deflated data set has more than {MOST_BYTES} bytes")
        inflated.write(inflater.flush())
    except zlib.error as error:
        raise InvalidDataset("the deflated data set is damaged") from error
    if not inflater.eof:
        raise InvalidDataset("the deflated data set is cut off")
