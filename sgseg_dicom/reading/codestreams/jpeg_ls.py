"""
JPEG-LS streams (ISO/IEC 14495-1) -> values.

CharLS, which decodes them, checks that the data end exactly with the last pixel. But CharLS 2.4 never comes back from
data that end without a marker, so a stream is always given to it with an EOI.
"""

from collections.abc import Iterator

import imagecodecs
import numpy as np

from sgseg_dicom.reading.codestreams.decoded import Decoded, damaged, more_components
from sgseg_dicom.reading.codestreams.jpeg_segments import read_header

_NAME = "JPEG-LS"
_EOI = b"\xff\xd9"
_MOST_ZEROS = 2
"""So many zero bytes in front of EOI can be data; the rest is padding."""


def decode_jpeg_ls(stream: bytes) -> Decoded:
    """
    Decode a greyscale JPEG-LS *stream*, lossless or near-lossless, with or without EOI.

    Raises:
        MalformedStream: the header makes no sense.
        UndecodablePixels: data are missing, damaged or left over.
    """
    header = read_header(stream)
    if len(header.components) != 1:
        raise more_components(_NAME, len(header.components))
    failure: Exception | None = None
    for candidate in _ended(stream):
        try:
            return Decoded(np.asarray(imagecodecs.jpegls_decode(candidate)), header.precision)
        except imagecodecs.JpeglsError as error:
            failure = failure or error
    raise damaged(_NAME, str(failure).partition(" returned ")[2] or "no data")


def _ended(stream: bytes) -> Iterator[bytes]:
    """
    Give the stream with an EOI behind its data: as it is, then with less and less padding in front of EOI.

    Some writers pad with zeros there (github.com/team-charls/charls/issues/365).
    """
    whole = stream.rstrip(b"\0")
    yield whole if whole.endswith(_EOI) else stream + _EOI
    data = whole.removesuffix(_EOI)
    bare = data.rstrip(b"\0")
    zeros = len(data) - len(bare) if whole.endswith(_EOI) else len(stream) - len(whole)
    for number in range(min(zeros, _MOST_ZEROS + 1)):
        yield bare + bytes(number) + _EOI
