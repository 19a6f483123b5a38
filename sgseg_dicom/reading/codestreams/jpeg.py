"""
JPEG streams (ISO/IEC 10918-1) -> pixels, of whole streams only.

libjpeg, which decodes them, only warns where data are missing or left over, and fills the rest. imagecodecs does not
pass the warnings on. So it is asked for more rows than there are, and these show whether the data end with the image.
Where that is not sure, the entropy-coded data are walked through, code by code: they must hold exactly the blocks, or
samples, of the image. A stream without EOI is whole if they do.
"""

import itertools
import struct
from collections.abc import Iterator

import imagecodecs
import numpy as np

from sgseg_dicom.errors import UndecodablePixels
from sgseg_dicom.reading.codestreams.decoded import Decoded, damaged, more_components
from sgseg_dicom.reading.codestreams.entropy_walk import Walker
from sgseg_dicom.reading.codestreams.huffman_steps import Steps, steps_of_blocks, steps_of_samples
from sgseg_dicom.reading.codestreams.jpeg_end import BLOCK, ends_with_the_image, extended_size
from sgseg_dicom.reading.codestreams.jpeg_segments import (
    LOSSLESS,
    EntropyCoded,
    HuffmanTable,
    JpegHeader,
    read_entropy_coded,
    read_header,
)

_NAME = "JPEG"
_EOI = b"\xff\xd9"
_SEQUENTIAL = (0xC0, 0xC1)  # baseline, and extended sequential with Huffman codes
_SMALL = 1 << 18
"""Bytes of a DCT stream that is walked through always: that finds more (bits that are no code, too full blocks)."""

_TAIL = 64
"""Bits at the end of an interval that are walked code by code."""

_SURE_ZEROS = 2
"""So many zero bytes at the end of data are nothing special."""


def decode_jpeg(stream: bytes) -> Decoded:
    """
    Decode a greyscale JPEG *stream*.

    Raises:
        MalformedStream: the header makes no sense.
        UndecodablePixels: data are missing, damaged or left over, or the stream is of a process that no transfer
            syntax here has.
    """
    header = read_header(stream)
    _require_process(header)
    size = extended_size(header)
    decoded = np.asarray(imagecodecs.jpeg8_decode(_plain(stream, header, size)))
    sure = size is not None and ends_with_the_image(decoded, stream, header, _steps(header))
    if not sure or (header.process != LOSSLESS and len(stream) <= _SMALL):
        _require_whole(stream, header)
    values = decoded[: header.rows, : header.columns]
    if header.process == LOSSLESS and int(values.max(initial=0)) >> header.precision:
        raise damaged(_NAME, f"differences lead to values of more than {header.precision} bits")
    return Decoded(values, header.precision)


def _require_process(header: JpegHeader) -> None:
    if len(header.components) != 1:
        raise more_components(_NAME, len(header.components))
    if len(header.scan.components) != 1:
        raise damaged(_NAME, f"its scan has {len(header.scan.components)} components, its frame one")
    if header.process not in (*_SEQUENTIAL, LOSSLESS):
        raise UndecodablePixels(
            f"the JPEG stream is of a process (SOF{header.process - 0xC0}) that its transfer syntax does not allow "
            "(PS3.5 8.2.1); send it as JPEG Baseline or JPEG Lossless"
        )


def _require_whole(stream: bytes, header: JpegHeader) -> None:
    """Raise UndecodablePixels unless the entropy-coded data hold exactly the units of the image."""
    coded = read_entropy_coded(stream, header.scan.data, restarts=header.restart_interval > 0)
    _require_intervals(header, len(coded.intervals))
    units = list(_units(header))
    if coded.restarts != [number % 8 for number in range(len(units) - 1)]:
        raise damaged(_NAME, "restart markers are out of order")
    walker = Walker(coded.data, _steps(header))
    *_, (begin, _) = coded.intervals
    filled = max(begin, len(coded.data.rstrip(b"\0")))  # zeros may be padding: the walk must not go into them
    ends = [*(end for _, end in coded.intervals[:-1]), filled]
    begins = [begin for begin, _ in coded.intervals]
    spans = [(8 * begin, max(8 * begin, 8 * end - _TAIL)) for begin, end in zip(begins, ends, strict=True)]
    for place, due, (_, end) in zip(walker.places_at(spans, sum(units)), units, coded.intervals, strict=True):
        at_end = None if place is None else walker.place_after(place, due, 8 * end)
        if at_end is None:
            raise damaged(_NAME, "its entropy-coded data do not hold the image, or hold more")
        _require_end(coded, at_end.bit, end, filled)


def _require_end(coded: EntropyCoded, bit: int, end: int, filled: int) -> None:
    """What is left behind the last code of an interval must be padding: bits up to a byte, or zero bytes."""
    first = -(-bit // 8)
    left = end - first
    if not left:
        return
    zeros_before = first - filled
    if any(coded.data[first:end]) or (left > _SURE_ZEROS and zeros_before > _SURE_ZEROS):
        raise damaged(_NAME, f"{left} bytes are left over behind the image")


def _require_intervals(header: JpegHeader, there: int) -> None:
    """Before they are listed: a stream of a few bytes can claim one for each of 100 million samples."""
    due = -(-_all_units(header) // header.restart_interval) if header.restart_interval else 1
    if there != due:
        raise damaged(_NAME, f"{there} of {due} restart intervals are there")


def _all_units(header: JpegHeader) -> int:
    if header.process == LOSSLESS:
        return header.rows * header.columns
    return -(-header.rows // BLOCK) * -(-header.columns // BLOCK)


def _units(header: JpegHeader) -> Iterator[int]:
    """Give how many blocks, or samples, each restart interval has."""
    left = _all_units(header)
    interval = header.restart_interval or left
    yield from itertools.repeat(interval, left // interval)
    if left % interval:
        yield left % interval


def _steps(header: JpegHeader) -> Steps:
    (_, dc, ac), *_ = header.scan.components
    if header.process == LOSSLESS:
        return steps_of_samples(_table(header, 0, dc))
    return steps_of_blocks(_table(header, 0, dc), _table(header, 1, ac))


def _table(header: JpegHeader, of_class: int, number: int) -> HuffmanTable:
    try:
        return header.tables[of_class, number]
    except KeyError as error:
        raise damaged(_NAME, "a Huffman table is missing") from error


def _plain(stream: bytes, header: JpegHeader, size: tuple[int, int] | None) -> bytes:
    """
    Write an image of *size*, and anew those fields that libjpeg takes too strictly, though they mean one thing alone.

    The scan's component is the frame's, whatever its identifier. A lossless scan has no spectral end and no
    approximation high bit, so Se and Ah mean nothing (H.1.1, Table B.3: both 0).
    """
    scan = bytearray(stream[header.scan.start : header.scan.data])
    (_, dc, ac), *_ = header.scan.components
    first, last = header.scan.spectral
    high, low = header.scan.approximation
    if header.process == LOSSLESS:
        last, high, ac = 0, 0, 0
    else:
        first, last, high, low = 0, 63, 0, 0
    scan[-5:] = header.components[0], dc << 4 | ac, first, last, high << 4 | low
    start = bytearray(stream[: header.scan.start])
    if size is not None:
        struct.pack_into(">HH", start, header.frame_start + 5, *size)
    return b"".join((start, scan, stream[header.scan.data :], _EOI))
