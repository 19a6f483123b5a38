"""
RLE (PS3.5 Annex G) -> values, of whole frames only.

A decoder that fills up what is missing, or stops where enough is there, finds no damage. Here each segment must hold
exactly the bytes of the image, and behind them nothing but padding. Encoders code each row by itself (G.3.1). Then a
row that does not begin with a run of its own begins at a wrong place. But some encoders run on across rows, and a row
may begin with a run by chance. Proof are the runs that nothing but the end of a row can have ended.
"""

import struct
from itertools import pairwise
from typing import NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.reading.codestreams.decoded import Decoded, damaged

_NAME = "RLE"
_HEADER = struct.Struct("<16L")
_NOTHING, _LONGEST_LITERAL, _LONGEST_REPEAT = 128, 127, 129
"""Control bytes (G.3.2): no operation, and runs of 128 bytes, which is the most."""

_PADDING = frozenset(b"\x00\x80")  # 0x80 is "no operation" (G.3.2)


class _Runs(NamedTuple):
    """
    What a segment holds.

    Attributes:
        length: how many bytes its runs give.
        rows: how many rows begin with a run of their own.
        ended_by_row: in front of how many of them an encoder that runs across rows would have gone on.
        end: where the next run would begin.
    """

    length: int
    rows: int
    ended_by_row: int
    end: int


def decode_rle(frame: bytes, shape: tuple[int, int], bytes_allocated: int) -> Decoded:
    """
    Decode a greyscale *frame* of *shape* (rows, columns).

    Raises:
        UndecodablePixels: segments are missing, or do not hold the image exactly.
    """
    planes = [_plane(frame[begin:end], shape) for begin, end in _segments(frame, bytes_allocated)]
    if bytes_allocated == 1:
        return Decoded(planes[0], 8)
    high, low = planes  # the most significant byte is the first segment (G.2)
    return Decoded(high.astype(np.uint16) << 8 | low, 16)


def _segments(frame: bytes, bytes_allocated: int) -> list[tuple[int, int]]:
    """Read where the segments begin and end (G.5)."""
    if len(frame) < _HEADER.size:
        raise damaged(_NAME, "it has no header")
    count, *offsets = _HEADER.unpack_from(frame)
    begins = offsets[: min(count, 15)]
    if count != bytes_allocated:
        raise damaged(_NAME, f"it has {count} segments, where Bits Allocated asks for {bytes_allocated}")
    if begins[0] < _HEADER.size or any(end <= begin for begin, end in pairwise([*begins, len(frame)])):
        raise damaged(_NAME, "its segments overlap, or begin behind its end")
    return list(pairwise([*begins, len(frame)]))


def _plane(segment: bytes, shape: tuple[int, int]) -> NDArray[np.uint8]:
    rows, columns = shape
    size = rows * columns
    runs = _runs(segment, size, columns)
    if runs.length < size:
        raise damaged(_NAME, f"{size - runs.length} of {size} bytes of a segment are missing")
    if runs.length > size + 1 or not _PADDING.issuperset(
        segment[runs.end :]
    ):  # some pad a segment before they code it
        raise damaged(_NAME, "a segment holds more than the image")
    if (astray := rows - runs.rows) and runs.ended_by_row > astray:
        raise damaged(_NAME, f"{astray} rows do not begin where they must")
    values = np.frombuffer(imagecodecs.packbits_decode(segment[: runs.end]), np.uint8)
    if len(values) < size:
        raise damaged(_NAME, "its last run is cut off")
    return values[:size].reshape(shape)


def _runs(segment: bytes, size: int, columns: int) -> _Runs:
    """Walk from run to run until there are *size* bytes, or no more runs (G.3.2)."""
    place, length, rows, ended_by_row, next_row = 0, 0, 0, 0, 0
    before, latest = _NOTHING, b""
    last = len(segment) - 1
    while place < last and length < size:
        control = segment[place]
        if length >= next_row:
            if length == next_row:
                rows += 1
                ended_by_row += _goes_on(before, control, latest == segment[place + 1 : place + 2])
            next_row += columns * (1 + (length - next_row) // columns)
        before = before if control == _NOTHING else control
        if control < 128:
            place += control + 2
            length += control + 1
        elif control > 128:
            place += 2
            length += 257 - control
        else:
            place += 1
        if control != _NOTHING:
            latest = segment[place - 1 : place]
    return _Runs(length, rows, ended_by_row, place)


def _goes_on(before: int, control: int, same_value: bool) -> bool:
    """Whether the run of *control* could have been the same as that *before*, but for the end of a row between."""
    if before < _NOTHING:
        return before < _LONGEST_LITERAL and control < _NOTHING
    return before > _LONGEST_REPEAT and control != _NOTHING and same_value
