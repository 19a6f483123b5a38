"""The parts of a JPEG stream (ISO/IEC 10918-1 Annex B) that say how its entropy-coded data are to be read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from sgseg_dicom.errors import UndecodablePixels

FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}  # SOF, of JPEG and JPEG-LS: B.1.1.3
LOSSLESS = 0xC3
_SOI, _EOI, _SOS, _DHT, _DRI = 0xD8, 0xD9, 0xDA, 0xC4, 0xDD
_RST = range(0xD0, 0xD8)


class HuffmanTable(NamedTuple):
    """How many codes there are of each length from 1 to 16, and their values (B.2.4.2)."""

    lengths: tuple[int, ...]
    values: bytes


class Scan(NamedTuple):
    """
    A scan header (B.2.3), and where it lies.

    Attributes:
        start: where its marker is; *data*: where its entropy-coded data begin.
    """

    components: tuple[tuple[int, int, int], ...]  # identifier, DC table, AC table
    spectral: tuple[int, int]  # Ss, which is the predictor in a lossless scan, and Se
    approximation: tuple[int, int]  # Ah, Al
    start: int
    data: int


@dataclass(frozen=True, kw_only=True, slots=True)
class JpegHeader:
    """What stands before the entropy-coded data of the first scan."""

    process: int  # the SOF marker's second byte
    precision: int
    rows: int
    columns: int
    components: tuple[int, ...]  # identifiers
    frame_start: int  # where the SOF marker is
    scan: Scan
    restart_interval: int = 0
    tables: Mapping[tuple[int, int], HuffmanTable] = field(default_factory=dict)  # by class and number


class MalformedStream(ValueError):
    """A marker segment contradicts ISO/IEC 10918-1, or ends before its length."""


def read_header(stream: bytes) -> JpegHeader:
    """
    Read *stream* up to the data of its first scan.

    Raises:
        MalformedStream: as it says.
    """
    place, found, tables, interval = _after_start(stream), None, {}, 0
    while True:
        marker, place = _marker(stream, place)
        body = _segment(stream, place)
        if marker in FRAMES:
            if found is not None:  # decoders disagree on which one holds; B.2.1 has one
                raise MalformedStream("it has two frame headers")
            found = (marker, place - 2, body)
        elif marker == _DHT:
            tables.update(_huffman_tables(body))
        elif marker == _DRI and len(body) >= 2:
            interval = int.from_bytes(body[:2], "big")
        elif marker == _SOS:
            break
        elif marker in (_SOI, _EOI, *_RST):
            raise MalformedStream("a marker stands where no scan has begun")
        place += 2 + len(body)
    if found is None:
        raise MalformedStream("no frame header stands before the first scan")
    process, start, frame = found
    if len(frame) < 9 or len(frame) < 6 + 3 * frame[5]:
        raise MalformedStream("the frame header is too short")
    return JpegHeader(
        process=process,
        precision=frame[0],
        rows=int.from_bytes(frame[1:3], "big"),
        columns=int.from_bytes(frame[3:5], "big"),
        components=tuple(frame[6 + 3 * number] for number in range(frame[5])),
        frame_start=start,
        scan=_scan(body, place),
        restart_interval=interval,
        tables=tables,
    )


def claimed_shape(stream: bytes) -> tuple[int, int]:
    """
    Give (rows, columns) as the frame header of *stream* claims them.

    Raises:
        MalformedStream: the header makes no sense.
        UndecodablePixels: the frame header leaves the number of lines open (B.2.5).
    """
    header = read_header(stream)
    if not header.rows:
        raise UndecodablePixels(
            "the number of lines stands in a DNL segment behind the first scan, which is not supported; "
            "send the image with its number of lines in the frame header, or uncompressed"
        )
    return header.rows, header.columns


class EntropyCoded(NamedTuple):
    """
    The entropy-coded data of a scan.

    Attributes:
        data: without markers and stuffed bytes.
        intervals: where each restart interval begins and ends in *data*, in bytes.
        restarts: the numbers of the RST markers between them.
        end: where in the stream the marker behind them is, or the end of the stream.
    """

    data: bytes
    intervals: list[tuple[int, int]]
    restarts: list[int]
    end: int


def read_entropy_coded(stream: bytes, start: int, *, restarts: bool) -> EntropyCoded:
    """Read entropy-coded data from *start* to the first marker (that is none of *restarts*), or to the end."""
    coded = np.frombuffer(stream, np.uint8, offset=start)
    ones = np.flatnonzero(coded == 0xFF)
    following = coded[np.minimum(ones + 1, len(coded) - 1)]
    following[ones == len(coded) - 1] = 0xFF  # what would follow the last byte of the stream counts as fill
    is_restart = (following >= _RST.start) & (following < _RST.stop) if restarts else following < 0
    last = np.flatnonzero((following != 0) & (following != 0xFF) & ~is_restart)
    end = int(ones[last[0]]) if len(last) else len(coded)
    ones, following = ones[ones < end], following[: int((ones < end).sum())]
    # Gone are stuffed zeros, both bytes of a restart marker, and fill bytes (B.1.1.2).
    at_restart = ones[(following >= _RST.start) & (following < _RST.stop)] if restarts else ones[:0]
    gone = np.concatenate([ones[following == 0] + 1, at_restart, at_restart + 1, ones[following == 0xFF]])
    kept = np.ones(end, np.bool_)
    kept[gone[gone < end]] = False
    cuts = np.cumsum(kept)[at_restart] if len(at_restart) else at_restart
    data = coded[:end][kept].tobytes()
    borders = [0, *cuts.tolist(), len(data)]
    numbers = (coded[at_restart + 1] - _RST.start).tolist()
    return EntropyCoded(data, list(pairwise(borders)), numbers, start + end)


def _after_start(stream: bytes) -> int:
    if stream[:2] != bytes([0xFF, _SOI]):
        raise MalformedStream("no JPEG stream: it does not begin with SOI")
    return 2


def _marker(stream: bytes, place: int) -> tuple[int, int]:
    """Read the marker at *place*, behind any fill bytes; give it, and where its segment begins."""
    if stream[place : place + 1] != b"\xff":
        raise MalformedStream("the stream ends, or is no marker, where a marker segment must begin")
    while stream[place : place + 1] == b"\xff":
        place += 1
    if place >= len(stream):
        raise MalformedStream("the stream ends before the first scan")
    return stream[place], place + 1


def _segment(stream: bytes, place: int) -> bytes:
    length = int.from_bytes(stream[place : place + 2], "big")
    if length < 2 or place + length > len(stream):
        raise MalformedStream("a marker segment is longer than the stream, or has no length")
    return stream[place + 2 : place + length]


def _scan(body: bytes, place: int) -> Scan:
    count = body[0] if body else 0
    if len(body) < 4 + 2 * count or not count:
        raise MalformedStream("the scan header is too short")
    components = tuple(
        (body[1 + 2 * number], body[2 + 2 * number] >> 4, body[2 + 2 * number] & 15)
        for number in range(count)
    )
    first, last, approximation = body[1 + 2 * count : 4 + 2 * count]
    return Scan(
        components, (first, last), (approximation >> 4, approximation & 15), place - 2, place + 2 + len(body)
    )


def _huffman_tables(body: bytes) -> dict[tuple[int, int], HuffmanTable]:
    tables, place = {}, 0
    while place < len(body):
        lengths = tuple(body[place + 1 : place + 17])
        values = body[place + 17 : place + 17 + sum(lengths)]
        room = sum(count << (16 - length) for length, count in enumerate(lengths, start=1))
        if len(lengths) < 16 or len(values) < sum(lengths) or room > 1 << 16:
            raise MalformedStream("a Huffman table is cut off, or no prefix code")
        tables[body[place] >> 4, body[place] & 15] = HuffmanTable(lengths, values)
        place += 17 + len(values)
    return tables
