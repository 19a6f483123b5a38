"""
Encapsulated Pixel Data (PS3.5 A.4) -> the one frame in it.

A single frame is all fragments together, whatever an offset table says. Tables are often wrong, and nobody needs one
here.
"""

import struct
from collections.abc import Iterator

from sgseg_dicom.errors import UndecodablePixels

_ITEM, _DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_STREAMS = (
    b"\xff\xd8\xff",  # JPEG and JPEG-LS: SOI, and the next marker
    b"\xff\x4f\xff\x51",  # JPEG 2000: SOC, SIZ
    b"\x00\x00\x00\x0cjP  ",  # a JP2 file
    b"\x01\x00\x00\x00\x40\x00\x00\x00",  # RLE: one segment, or two, the first behind the header
    b"\x02\x00\x00\x00\x40\x00\x00\x00",
)


def single_frame(value: bytes) -> bytes:
    """
    Give the codestream of the one frame in *value*, which is Pixel Data as they lie in the file.

    A bare codestream, which some devices write without items around it, is taken as it is.

    Raises:
        UndecodablePixels: *value* is neither items nor a codestream.
    """
    if value.startswith(_STREAMS):
        return value
    if not value.startswith(_ITEM):
        raise UndecodablePixels(
            "Pixel Data is neither encapsulated (PS3.5 A.4), as its transfer syntax asks, nor a bare codestream; "
            "correct the transfer syntax, or send the image uncompressed"
        )
    table, *fragments = _items(value)
    # Some leave the offset table out, which must be there even if empty.
    return b"".join([table, *fragments] if table.startswith(_STREAMS) else fragments)


def _items(value: bytes) -> Iterator[bytes]:
    """Give what is in the items; the last one may be cut off, which its decoder finds."""
    place = 0
    while (tag := value[place : place + 4]) == _ITEM and place + 8 <= len(value):
        (length,) = struct.unpack_from("<L", value, place + 4)
        yield value[place + 8 : place + 8 + length]
        place += 8 + length
    if tag.strip(b"\0") and tag != _DELIMITER and not _ITEM.startswith(tag):
        raise UndecodablePixels(
            "the fragments of Pixel Data are damaged: between two of them is something else (PS3.5 A.4); "
            "send the image again"
        )
