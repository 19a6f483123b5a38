"""
A file in Deflated Explicit VR Little Endian (PS3.5 A.5) -> the same in Explicit VR Little Endian.

Deflate (RFC 1951) has no checksum: damaged data often inflate to something of another length. So the data must end
where the data set ends, and behind them may be nothing but padding. What inflates to more than any image has is not
inflated to its end.
"""

import contextlib
import zlib

from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from sgseg_dicom.errors import InvalidDataset, UndecodablePixels

MOST_BYTES = 300_000_000
"""The largest image that is decoded has 200 million bytes of pixels."""

_CHUNK = 1 << 16
_LONGEST_TRAILER = 8
"""Bytes: some writers leave a checksum behind the data, as of gzip (RFC 1952)."""

_META_LENGTH = slice(140, 144)
_META = 144
"""Where in a file the value of (0002,0000), and the rest of the file meta information, lies (PS3.10 7.1)."""


def is_deflated(start: bytes) -> bool:
    """Whether a file that begins with *start* names the deflated transfer syntax."""
    return DeflatedExplicitVRLittleEndian.encode() in start[: _meta_end(start)]


def inflated(data: bytes) -> bytes:
    """
    Inflate the data set in the file *data*.

    Raises:
        UndecodablePixels: the deflated data are cut off, or something else stands behind them.
        InvalidDataset: they inflate to more than any image has.
    """
    meta = data[: _meta_end(data)]
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data_set = inflater.decompress(data[len(meta) :], MOST_BYTES)
    except zlib.error as error:
        raise _damaged(str(error)) from error
    if inflater.unconsumed_tail:
        raise InvalidDataset(
            f"the deflated data set has more than {MOST_BYTES} bytes; send the image uncompressed"
        )
    if not inflater.eof or len(inflater.unused_data.rstrip(b"\0")) > _LONGEST_TRAILER:
        raise _damaged("its data end too early" if inflater.eof else "its end is missing")
    return _plain(meta) + data_set


def inflated_part(data: bytes) -> bytes:
    """Inflate as much of the data set in the file *data* as goes, for the header of one that is damaged."""
    meta = data[: _meta_end(data)]
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    parts, size = [_plain(meta)], 0
    with contextlib.suppress(zlib.error):
        for place in range(len(meta), len(data), _CHUNK):
            parts.append(inflater.decompress(data[place : place + _CHUNK], MOST_BYTES))
            size += len(parts[-1])
            if size > MOST_BYTES:
                break
    return b"".join(parts)


def _plain(meta: bytes) -> bytes:
    """Give file meta information of the same length that names the syntax of the inflated data set."""
    deflated = DeflatedExplicitVRLittleEndian.encode()
    return meta.replace(deflated, ExplicitVRLittleEndian.encode().ljust(len(deflated), b"\0"))


def _meta_end(data: bytes) -> int:
    return _META + int.from_bytes(data[_META_LENGTH], "little")


def _damaged(what: str) -> UndecodablePixels:
    return UndecodablePixels(f"the deflated data set is damaged or cut off ({what}); send the image again")
