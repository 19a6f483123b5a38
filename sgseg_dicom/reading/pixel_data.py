"""Pixel Data (7FE0,0010) in any transfer syntax -> the stored bits of each pixel."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileDataset, uid
from pydicom.pixels import get_decoder
from pydicom.uid import UID

from sgseg_dicom.attributes import numbers_of, text_of
from sgseg_dicom.errors import InvalidDataset, UndecodablePixels
from sgseg_dicom.reading.codestreams import jpeg2000, jpeg_segments
from sgseg_dicom.reading.codestreams.decoded import Decoded
from sgseg_dicom.reading.codestreams.encapsulation import single_frame
from sgseg_dicom.reading.codestreams.jpeg import decode_jpeg
from sgseg_dicom.reading.codestreams.jpeg_ls import decode_jpeg_ls
from sgseg_dicom.reading.codestreams.rle import decode_rle
from sgseg_dicom.reading.stored_bits import stored_bits_of

LARGEST = 100_000_000
"""The most pixels that are decoded; a film digitised at 50 micrometres has 60 million."""


class _Codec(NamedTuple):
    """How to read (rows, columns) from a codestream's header alone, and how to decode it."""

    claimed_shape: Callable[[bytes], tuple[int, int]]
    decode: Callable[[bytes], Decoded]


# HTJ2K by OpenJPEG (jpeg2k_decode), not OpenJPH (htj2k_decode): three times slower, but a damaged stream
# makes OpenJPH 0.26 crash the process or never come back. gdcm decodes nothing that imagecodecs does not.
_JPEG = _Codec(jpeg_segments.claimed_shape, decode_jpeg)
_JPEG_LS = _Codec(jpeg_segments.claimed_shape, decode_jpeg_ls)
_JPEG_2000 = _Codec(jpeg2000.claimed_shape, jpeg2000.decode_jpeg2000)
_CODECS: Mapping[UID, _Codec] = {
    uid.JPEGBaseline8Bit: _JPEG,
    uid.JPEGExtended12Bit: _JPEG,
    uid.JPEGLossless: _JPEG,
    uid.JPEGLosslessSV1: _JPEG,
    uid.JPEGLSLossless: _JPEG_LS,
    uid.JPEGLSNearLossless: _JPEG_LS,
    uid.JPEG2000Lossless: _JPEG_2000,
    uid.JPEG2000: _JPEG_2000,
    uid.HTJ2KLossless: _JPEG_2000,
    uid.HTJ2KLosslessRPCL: _JPEG_2000,
    uid.HTJ2K: _JPEG_2000,
}
_NATIVE = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
)
DECODED = frozenset({*_CODECS, *_NATIVE, uid.RLELossless})
"""The transfer syntaxes that have a decoder: exactly those that are accepted."""

_LOSSY = (uid.JPEGExtended12Bit, uid.JPEGLSNearLossless, uid.JPEG2000, uid.HTJ2K)

# What imagecodecs (RuntimeError, ValueError), pydicom and gdcm raise for a damaged stream.
_FAILURES = (
    ValueError,
    ArithmeticError,
    TypeError,
    AttributeError,
    LookupError,
    RuntimeError,
    MemoryError,
    EOFError,
    struct.error,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelFormat:
    """The numbers of the Image Pixel module (PS3.3 C.7.6.3), checked."""

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool

    @property
    def stored_range(self) -> tuple[int, int]:
        """The least and the greatest value that a pixel can have."""
        half = 2 ** (self.bits_stored - 1)
        return (-half, half - 1) if self.signed else (0, 2 * half - 1)

    @classmethod
    def of(cls, header: Dataset) -> "PixelFormat":
        """
        Read the numbers of *header*.

        Raises:
            InvalidDataset: one is missing, or is no whole number.
            UndecodablePixels: they contradict each other, or claim an absurd size.
        """
        pixel_format = cls(
            rows=_whole(header, "Rows"),
            columns=_whole(header, "Columns"),
            bits_allocated=_whole(header, "BitsAllocated"),
            bits_stored=_whole(header, "BitsStored"),
            high_bit=_whole(header, "HighBit", _whole(header, "BitsStored") - 1),
            signed=_whole(header, "PixelRepresentation", 0) == 1,
        )
        pixel_format._require_sense()
        return pixel_format

    def _require_sense(self) -> None:
        if not 0 < self.rows * self.columns <= LARGEST or self.rows < 0:
            raise UndecodablePixels(
                f"Rows x Columns is {self.rows} x {self.columns}; it must lie between 1 and {LARGEST} pixels"
            )
        if self.bits_allocated not in (8, 16) or not 0 < self.bits_stored <= self.bits_allocated:
            raise UndecodablePixels(
                f"Bits Stored is {self.bits_stored} of {self.bits_allocated} allocated; allocate 8 or 16"
            )


def decode(ds: FileDataset, pixel_format: PixelFormat) -> NDArray[np.uint16]:
    """
    Decode the one frame (PS3.3 C.7.6.6) of *ds*.

    Returns:
        uint16 (rows, columns), the Bits Stored of each pixel as they are, the rest zero: a negative value
        is its two's complement in Bits Stored. What else lies in the allocated bits (overlays, junk) is gone.

    Raises:
        UndecodablePixels: missing, damaged, in an unknown transfer syntax, or of another size than stated.
    """
    transfer_syntax = UID(str(ds.file_meta.get("TransferSyntaxUID", uid.ImplicitVRLittleEndian)))
    # As it lies in the file: parsing it would parse the elements that decide its VR, and they may be damaged.
    element = ds.get_item("PixelData") if "PixelData" in ds else None
    if element is None or not element.value:
        raise UndecodablePixels("Pixel Data (7FE0,0010) is missing or empty; send the image itself")
    if transfer_syntax not in DECODED:
        raise UndecodablePixels(
            f"no decoder for transfer syntax {transfer_syntax.name}; send it uncompressed"
        )
    try:
        if transfer_syntax in _CODECS:
            return _of_codestream(element.value, transfer_syntax, pixel_format)
        decoded = _uncompressed(element.value, transfer_syntax, pixel_format, element.VR or "OW")
    except _FAILURES as error:
        raise UndecodablePixels(
            f"the pixel data ({transfer_syntax.name}) are damaged or cut off, send them again: {_summary_of(error)}"
        ) from error
    if decoded.shape != (pixel_format.rows, pixel_format.columns):
        raise _mismatch(decoded.shape, pixel_format)
    return _below_high_bit(decoded, pixel_format)


def _of_codestream(data: bytes, transfer_syntax: UID, pixel_format: PixelFormat) -> NDArray[np.uint16]:
    frame = single_frame(data)
    codec = _CODECS[transfer_syntax]
    # Before decoding: a codestream of a few bytes can claim a size that no memory holds.
    claimed = codec.claimed_shape(frame)
    if claimed != (pixel_format.rows, pixel_format.columns):
        raise _mismatch(claimed, pixel_format)
    decoded = codec.decode(frame)
    if decoded.values.shape != claimed:
        raise _mismatch(decoded.values.shape, pixel_format)
    return stored_bits_of(
        decoded,
        bits_stored=pixel_format.bits_stored,
        high_bit=pixel_format.high_bit,
        signed=pixel_format.signed,
        lossy=transfer_syntax in _LOSSY,
    )


def _uncompressed(data: bytes, transfer_syntax: UID, pixel_format: PixelFormat, vr: str) -> NDArray[Any]:
    shape = (pixel_format.rows, pixel_format.columns)
    if transfer_syntax == uid.RLELossless:
        return decode_rle(single_frame(data), shape, pixel_format.bits_allocated // 8).values
    _require_one_image(data, pixel_format)
    return _by_pydicom(data, transfer_syntax, pixel_format, vr)


def _require_one_image(data: bytes, pixel_format: PixelFormat) -> None:
    """What lies behind the image may be padding, of one value; something else is another image, or damage."""
    due = pixel_format.rows * pixel_format.columns * pixel_format.bits_allocated // 8
    if len(data) < due:
        raise UndecodablePixels(
            f"Pixel Data have {len(data)} of {due} bytes: the rest was cut off; send the image again"
        )
    if len(set(data[due + due % 2 :])) > 1:
        raise UndecodablePixels(
            f"Pixel Data have {len(data)} bytes where the header asks for {due}: they are damaged, or hold more "
            "than one image; send the image again"
        )


def _by_pydicom(data: bytes, transfer_syntax: UID, pixel_format: PixelFormat, vr: str) -> NDArray[Any]:
    options: dict[str, Any] = {
        "rows": pixel_format.rows,
        "columns": pixel_format.columns,
        "bits_allocated": pixel_format.bits_allocated,
        "bits_stored": pixel_format.bits_stored,
        "pixel_representation": int(pixel_format.signed),
        "photometric_interpretation": "MONOCHROME2",
        "samples_per_pixel": 1,
        "number_of_frames": 1,
        "pixel_keyword": "PixelData",
        "pixel_vr": vr,
        "correct_unused_bits": False,  # `_below_high_bit` does, and reads High Bit too
    }
    return get_decoder(transfer_syntax).as_array(data, index=0, raw=True, **options)[0]


def _below_high_bit(decoded: NDArray[Any], pixel_format: PixelFormat) -> NDArray[np.uint16]:
    bits = decoded.astype(np.uint16, copy=False)
    shift = pixel_format.high_bit + 1 - pixel_format.bits_stored
    if 0 < shift <= pixel_format.bits_allocated - pixel_format.bits_stored:
        bits = bits >> np.uint16(shift)  # High Bit elsewhere than PS3.5 8.1.1 has it; older editions let it
    return bits & np.uint16(2**pixel_format.bits_stored - 1) if pixel_format.bits_stored < 16 else bits


def _mismatch(found: tuple[int, ...], pixel_format: PixelFormat) -> UndecodablePixels:
    stated = f"Rows x Columns is {pixel_format.rows} x {pixel_format.columns}"
    held = " x ".join(map(str, found))
    return UndecodablePixels(
        f"{stated}, but the pixel data hold {held}; send the image again from its source"
    )


def _whole(header: Dataset, keyword: str, default: int | None = None) -> int:
    if default is not None and not text_of(header, keyword):
        return default
    numbers = numbers_of(header, keyword)
    if len(numbers) != 1 or not numbers[0].is_integer():
        raise InvalidDataset(f"{keyword} is missing or no whole number; send the image again from its source")
    return int(numbers[0])


def _summary_of(error: Exception) -> str:
    return " ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])
