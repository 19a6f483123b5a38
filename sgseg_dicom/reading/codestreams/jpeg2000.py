"""
JPEG 2000 (ISO/IEC 15444-1) and HTJ2K (15444-15) codestreams -> values.

OpenJPEG, which decodes them, refuses wrong lengths, but decodes any bytes within a code-block. It can say how many
bytes of a code-block the arithmetic decoder left or lacked: of a whole one hardly any, of a damaged one many. It does
so where the codestream promises predictable termination (Table A.19), which changes nothing else for a decoder. So
the promise is written into each codestream, and the warnings are taken as errors. HTJ2K has no such check.
"""

import logging
import re
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import imagecodecs
import numpy as np

from sgseg_dicom.reading.codestreams.decoded import Decoded, damaged, more_components

_NAME = "JPEG 2000"
_START = b"\xff\x4f\xff\x51"  # SOC, SIZ: A.4.1, A.5.1
_JP2 = b"\x00\x00\x00\x0cjP  "  # the signature box of a JP2 file: I.5.1
_CODESTREAM_BOX = b"jp2c"  # I.5.4
_SEARCHED = 1024
"""Bytes at the start of a frame that is neither a codestream nor a JP2 file in which a codestream may begin."""

_EOC = b"\xff\xd9"
_SIZ, _COD, _COC, _SOT = 0x51, 0x52, 0x53, 0x90
_LEAST_TILE_PART = 14  # SOT and SOD: A.4.2, A.4.3
_STYLE = {_COD: 12, _COC: 9}
"""Where in a COD or COC segment, from its marker, the code-block style is (Tables A.12, A.15, A.22)."""

_BYPASS, _TERMINATE_ALL, _PREDICTABLE, _HIGH_THROUGHPUT = (
    0x01,
    0x04,
    0x10,
    0x40,
)  # Table A.19; 15444-15 Table A.4
_TOLERANCE = 8
"""Bytes: encoders end a code-block in several ways. WG-04's samples, of other encoders, lack up to 4."""

_TERMINATION = re.compile(r"PTERM check failure: (\d+)")
_SIGN = 0x80
_LONGEST_ZEROS = 128
"""Bytes: a longer run of zeros within the data of code-blocks has been put there."""


class _Header(NamedTuple):
    start: int
    precision: int
    signed: bool
    components: int
    style: int  # where the code-block style is
    data: int  # where the first tile-part is
    tiles: int


def claimed_shape(frame: bytes) -> tuple[int, int]:
    """
    Give (rows, columns) as the SIZ segment of *frame* claims them (A.5.1).

    Raises:
        ValueError, struct.error: no codestream begins here, or it ends within SIZ.
    """
    right, bottom, left, top = struct.unpack_from(">4L", frame, _codestream_start(frame) + 8)
    return bottom - top, right - left


def decode_jpeg2000(frame: bytes) -> Decoded:
    """
    Decode a greyscale codestream, bare or in a JP2 file.

    Raises:
        ValueError, struct.error: the main header makes no sense.
        imagecodecs.Jpeg2kError: lengths or markers are wrong.
        UndecodablePixels: data are missing or damaged.
    """
    header = _header(frame)
    if header.components != 1:
        raise more_components(_NAME, header.components)
    codestream = bytearray(_up_to_its_end(frame[header.start :], header))
    style = codestream[header.style]
    if style & _HIGH_THROUGHPUT:
        if bytes(_LONGEST_ZEROS) in codestream[header.data :]:
            raise damaged("HTJ2K", "a part of it is zero")
    elif not style & (
        _BYPASS | _TERMINATE_ALL
    ):  # there the check would be of the last part of a code-block alone
        codestream[header.style] |= _PREDICTABLE
    with _warnings() as messages:
        values = np.asarray(imagecodecs.jpeg2k_decode(bytes(codestream), verbose=2))
    wrong = [int(found[1]) for message in messages if (found := _TERMINATION.search(message))]
    if max(wrong, default=0) > _TOLERANCE:
        raise damaged(_NAME, f"{len(wrong)} code-blocks do not end where their data end")
    return Decoded(values, header.precision, header.signed)


def _header(frame: bytes) -> _Header:
    """Read SIZ and the coding style of the main header (A.5.1); places count from the start of the codestream."""
    start = _codestream_start(frame)
    # Xsiz, Ysiz, XOsiz, YOsiz, XTsiz, YTsiz, XTOsiz, YTOsiz, Csiz, Ssiz
    right, bottom, _, _, wide, high, left, top, components, depth = struct.unpack_from(
        ">8LHB", frame, start + 8
    )
    if not wide or not high:
        raise ValueError("its tiles have no size")
    style, data = _coding_style(frame, start)
    tiles = -(-(right - left) // wide) * -(-(bottom - top) // high)
    return _Header(
        start, (depth & ~_SIGN) + 1, bool(depth & _SIGN), components, style - start, data - start, tiles
    )


def _coding_style(frame: bytes, start: int) -> tuple[int, int]:
    """Give where the code-block style is that holds, and where the main header ends; COC overrides COD (A.6.2)."""
    place, styles = start + 2, {}
    while (marker := frame[place + 1]) != _SOT:
        if frame[place] != 0xFF:
            raise ValueError("the main header holds something else than marker segments")
        if marker in styles or (marker == _SIZ and place > start + 2):
            raise ValueError("the main header has a marker segment twice that it may have once")
        if marker in _STYLE:
            styles[marker] = place + _STYLE[marker]
        place += 2 + int.from_bytes(frame[place + 2 : place + 4], "big")
        if place + 4 > len(frame):
            raise ValueError("the main header is cut off")
    if _COD not in styles:
        raise ValueError("the main header has no coding style")
    return styles.get(_COC, styles[_COD]), place


def _codestream_start(frame: bytes) -> int:
    """Give where the codestream begins, in a JP2 file behind boxes of any length (I.4)."""
    place = 0
    while frame.startswith(_JP2) and place + 8 <= len(frame):
        length, kind = struct.unpack_from(">L4s", frame, place)
        value = place + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", frame, value)
            value += 8
        if kind == _CODESTREAM_BOX and frame.startswith(_START, value):
            return value
        if place + length < value:  # up to the end of the file, or too short for itself
            break
        place += length
    start = frame.find(_START, 0, _SEARCHED)
    if start < 0:
        raise ValueError("no JPEG 2000 codestream begins here")
    return start


def _up_to_its_end(codestream: bytes, header: _Header) -> bytes:
    """Give all tile-parts (A.4.2) and an EOC, which some writers leave out or put behind padding."""
    place, tiles = header.data, set()
    while codestream[place : place + 2] == bytes([0xFF, _SOT]) and place + _LEAST_TILE_PART <= len(
        codestream
    ):
        tile, length = struct.unpack_from(">HL", codestream, place + 4)
        tiles.add(tile)
        if not length:  # up to EOC
            place = len(codestream.rstrip(b"\0").removesuffix(_EOC))
        elif length < _LEAST_TILE_PART or place + length > len(codestream):
            raise damaged(_NAME, f"a part of {length} bytes goes beyond its end")
        else:
            place += length
    if len(tiles) < header.tiles:
        raise damaged(_NAME, f"{len(tiles)} of {header.tiles} tiles are there")
    rest = codestream[place:].lstrip(b"\0\xff")
    if (
        not codestream.startswith(_EOC, place)
        and rest not in (b"", _EOC[1:])
        and rest.rstrip(b"\0") != _EOC[1:]
    ):
        raise damaged(_NAME, "between its parts is something else")
    return codestream[:place] + _EOC


class WarningsAreLost(Exception):
    """Logging is switched off for the process: nobody would hear of damaged data. The image is not at fault."""


class _Heard(threading.local):
    """What OpenJPEG warned of in this thread; None while nobody listens."""

    messages: list[str] | None = None


_heard = _Heard()


def _collect(record: logging.LogRecord) -> bool:
    if _heard.messages is None:
        return True
    _heard.messages.append(record.getMessage())
    return False


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """
    Collect what imagecodecs, which logs OpenJPEG's warnings, logs in this thread; none of it reaches the log.

    Raises:
        WarningsAreLost: logging is switched off.
    """
    logger = logging.getLogger("imagecodecs")
    logger.addFilter(_collect)  # once: a filter that is there is not added again
    if not logger.isEnabledFor(logging.WARNING):
        logger.setLevel(logging.WARNING)
        logger.disabled = False  # `logging.config.dictConfig` disables loggers that it does not know
    if not logger.isEnabledFor(logging.WARNING):
        raise WarningsAreLost("logging is switched off: OpenJPEG's warnings of damaged data would be lost")
    messages: list[str] = []
    _heard.messages = messages
    try:
        yield messages
    finally:
        _heard.messages = None
