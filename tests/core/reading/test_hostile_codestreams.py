"""Codestreams whose headers claim what is not so: refused for the true reason, and in no time."""

import logging
import struct
import time
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, dcmread, uid
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from sgseg_dicom.errors import UndecodablePixels
from sgseg_dicom.reading.codestreams.jpeg2000 import WarningsAreLost
from sgseg_dicom.reading.header import header_of
from sgseg_dicom.reading.pixel_data import PixelFormat, decode
from tests.support.builders import chest_radiograph, synthetic_chest, write

CHEST = synthetic_chest((96, 80))
JPEG_SYNTAXES = (uid.JPEGExtended12Bit, uid.JPEGLosslessSV1, uid.JPEGLSLossless)
SOC_AND_SIZ = b"\xff\x4f\xff\x51"
MOST_SECONDS = 5.0


def image_with(stream: bytes, syntax: UID, folder: Path, **attributes: object) -> Dataset:
    ds = dcmread(write(chest_radiograph(pixels=CHEST), folder / "x.dcm", syntax))
    ds.PixelData = encapsulate([stream])
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def decoded(ds: Dataset) -> NDArray[np.uint16]:
    return decode(ds, PixelFormat.of(header_of(ds)))


def jpeg(syntax: UID) -> bytes:
    if syntax == uid.JPEGLSLossless:
        return imagecodecs.jpegls_encode(CHEST)
    return imagecodecs.jpeg8_encode(CHEST, lossless=syntax == uid.JPEGLosslessSV1, bitspersample=12)


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", 2 + len(body)) + body


def frame_header(stream: bytes) -> tuple[int, int]:
    """Give where the SOF segment of *stream* begins and ends."""
    for marker in (0xC0, 0xC1, 0xC3, 0xF7):
        if (start := stream.find(bytes([0xFF, marker, 0]))) > 0:
            return start, start + 2 + int.from_bytes(stream[start + 2 : start + 4], "big")
    raise AssertionError("no frame header")


def resized(stream: bytes, rows: int, columns: int) -> bytes:
    start, _ = frame_header(stream)
    return stream[: start + 5] + struct.pack(">2H", rows, columns) + stream[start + 9 :]


@pytest.mark.parametrize("rows", [0, 2000, 65535])
@pytest.mark.parametrize("syntax", JPEG_SYNTAXES, ids=lambda syntax: syntax.name)
def test_a_second_frame_header_is_refused(syntax: UID, rows: int, tmp_path: Path) -> None:
    """The size would be checked by one and decoded by the other."""
    stream = jpeg(syntax)
    start, end = frame_header(stream)
    other = resized(stream, rows, rows)[start:end]
    restarts = segment(0xDD, b"\0\1")

    with pytest.raises(UndecodablePixels, match="two frame headers"):
        decoded(image_with(stream[:end] + restarts + other + stream[end:], syntax, tmp_path))


@pytest.mark.parametrize("syntax", JPEG_SYNTAXES, ids=lambda syntax: syntax.name)
def test_lines_that_are_counted_behind_the_scan_are_named(syntax: UID, tmp_path: Path) -> None:
    """Nobody needs to look for damage in a stream that leaves its number of lines to DNL (B.2.5)."""
    with pytest.raises(UndecodablePixels, match="number of lines stands in a DNL segment"):
        decoded(image_with(resized(jpeg(syntax), 0, 80), syntax, tmp_path))


@pytest.mark.parametrize("syntax", JPEG_SYNTAXES[:2], ids=lambda syntax: syntax.name)
def test_as_many_restart_intervals_as_pixels_take_no_time(syntax: UID, tmp_path: Path) -> None:
    """A few bytes that claim millions of intervals are refused before anyone lists these."""
    stream = jpeg(syntax)
    start, _ = frame_header(stream)
    small = resized(stream[:start] + segment(0xDD, b"\0\1") + stream[start:], 9000, 9000)
    began = time.monotonic()

    with pytest.raises(UndecodablePixels, match="restart interval"):
        decoded(image_with(small, syntax, tmp_path, Rows=9000, Columns=9000))

    assert time.monotonic() - began < MOST_SECONDS


@pytest.mark.parametrize("syntax", JPEG_SYNTAXES, ids=lambda syntax: syntax.name)
def test_jpeg_2000_inside_an_application_segment_is_no_size(syntax: UID, tmp_path: Path) -> None:
    """The size is that of the stream that is decoded: magic bytes in an APPn segment of a JPEG stream say nothing."""
    siz = SOC_AND_SIZ + struct.pack(">HH8L", 41, 0, 80, 96, 0, 0, 80, 96, 0, 0)
    stream = resized(jpeg(syntax), 192, 80)
    hiding = stream[:2] + segment(0xE9, siz) + stream[2:]

    with pytest.raises(UndecodablePixels, match="96 x 80, but the pixel data hold 192 x 80"):
        decoded(image_with(hiding, syntax, tmp_path))


@pytest.mark.parametrize("syntax", JPEG_SYNTAXES[:2], ids=lambda syntax: syntax.name)
def test_a_scan_of_more_components_than_the_frame_is_named(syntax: UID, tmp_path: Path) -> None:
    """The message does not say that the stream has one component where it should have one."""
    stream = jpeg(syntax)
    scan = stream.index(b"\xff\xda")
    header = stream[scan + 4 : scan + 2 + stream[scan + 3]]
    two = segment(0xDA, b"\2" + header[1:3] * 2 + header[3:])

    with pytest.raises(UndecodablePixels, match="its scan has 2 components, its frame one"):
        decoded(image_with(stream[:scan] + two + stream[scan + 10 :], syntax, tmp_path))


@pytest.mark.parametrize("greatest", [2**16, 2**20 - 1])
def test_values_of_more_than_16_bits_are_refused(greatest: int, tmp_path: Path) -> None:
    """Twenty bits under Bits Stored 16, signed: nobody knows which values are negative."""
    values = CHEST.astype(np.uint32)
    values[5, 7] = greatest
    stream = imagecodecs.jpeg2k_encode(values, level=0, codecformat="j2k", bitspersample=20)
    ds = image_with(stream, uid.JPEG2000Lossless, tmp_path, BitsStored=16, HighBit=15, PixelRepresentation=1)

    with pytest.raises(UndecodablePixels, match=f"values up to {greatest} in 20 bits without a sign"):
        decoded(ds)


def box(kind: bytes, value: bytes, *, extended: bool = False) -> bytes:
    if extended:
        return struct.pack(">L4sQ", 1, kind, 16 + len(value)) + value
    return struct.pack(">L4s", 8 + len(value), kind) + value


@pytest.mark.parametrize("extended", [False, True], ids=["length", "extended length"])
@pytest.mark.parametrize("size", [10, 5000])
def test_a_codestream_behind_a_long_box_is_found(size: int, extended: bool, tmp_path: Path) -> None:
    """A JP2 file may have boxes of any length in front of jp2c (15444-1 I.4), with anything in them."""
    stream = imagecodecs.jpeg2k_encode(CHEST, level=0, codecformat="j2k", bitspersample=12)
    signature = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    other = box(b"uuid", SOC_AND_SIZ * 2 + bytes(size), extended=extended)

    found = decoded(
        image_with(
            signature + other + box(b"jp2c", stream, extended=extended), uid.JPEG2000Lossless, tmp_path
        )
    )

    np.testing.assert_array_equal(CHEST, found)


def test_a_second_size_in_a_jpeg_2000_stream_is_refused(tmp_path: Path) -> None:
    """The size would be checked by one and decoded by the other."""
    stream = imagecodecs.jpeg2k_encode(CHEST, level=0, codecformat="j2k", bitspersample=12)
    end = 4 + int.from_bytes(stream[4:6], "big")

    with pytest.raises(UndecodablePixels, match="twice"):
        decoded(image_with(stream[:end] + stream[2:end] + stream[end:], uid.JPEG2000Lossless, tmp_path))


def with_component_style(stream: bytes) -> bytes:
    """Say the coding style once more in COC (15444-1 A.6.2), which overrides COD."""
    start = stream.index(b"\xff\x52")
    end = start + 2 + int.from_bytes(stream[start + 2 : start + 4], "big")
    return (
        stream[:end]
        + segment(0x53, bytes([0, stream[start + 4] & 1]) + stream[start + 9 : end])
        + stream[end:]
    )


def test_damage_is_found_where_a_component_has_a_style_of_its_own(tmp_path: Path) -> None:
    """The promise by which damage is found stands where the decoder looks for it."""
    stream = with_component_style(
        imagecodecs.jpeg2k_encode(CHEST, level=0, codecformat="j2k", bitspersample=12)
    )
    refused = 0
    for place in range(len(stream) // 2, len(stream) - 300, 150):
        broken = stream[:place] + bytes(128) + stream[place + 128 :]
        try:
            decoded(image_with(broken, uid.JPEG2000Lossless, tmp_path))
        except UndecodablePixels:
            refused += 1

    np.testing.assert_array_equal(CHEST, decoded(image_with(stream, uid.JPEG2000Lossless, tmp_path)))
    assert refused >= 18


def test_an_image_is_not_called_damaged_because_logging_is_off(tmp_path: Path) -> None:
    """Without OpenJPEG's warnings nobody can say; that is our fault, not the sender's."""
    stream = imagecodecs.jpeg2k_encode(CHEST, level=0, codecformat="j2k", bitspersample=12)
    ds = image_with(stream, uid.JPEG2000Lossless, tmp_path)
    logging.disable(logging.WARNING)
    try:
        with pytest.raises(WarningsAreLost):
            decoded(ds)
    finally:
        logging.disable(logging.NOTSET)

    np.testing.assert_array_equal(CHEST, decoded(ds))


def packed_across_rows(values: bytes) -> bytes:
    """Code as an encoder does that takes the whole segment for one row (PS3.5 G.3.1 asks for row by row)."""
    coded, literal, place = bytearray(), bytearray(), 0

    def flush() -> None:
        if literal:
            coded.extend(bytes([len(literal) - 1]) + literal)
            literal.clear()

    while place < len(values):
        run = 1
        while run < 128 and values[place + run : place + run + 1] == values[place : place + 1]:
            run += 1
        if run > 2:
            flush()
            coded.extend(bytes([257 - run, values[place]]))
        else:
            literal.extend(values[place : place + run])
            if len(literal) > 126:
                flush()
        place += run
    flush()
    return bytes(coded) + bytes(len(coded) % 2)


@pytest.mark.parametrize("constant_rows", [0, 100, 152, 200, 250])
@pytest.mark.parametrize("columns", [256, 250])
def test_an_image_whose_runs_cross_rows_is_read(columns: int, constant_rows: int, tmp_path: Path) -> None:
    """A part of one value, where all rows begin with a run by chance, does not make the others damaged."""
    values = np.random.default_rng(1).integers(0, 2, (256, columns), np.uint8)
    values[:constant_rows] = 0
    header = struct.pack("<16L", 1, 64, *[0] * 14)
    ds = dcmread(write(chest_radiograph(pixels=values), tmp_path / "x.dcm", uid.RLELossless))
    ds.PixelData = encapsulate([header + packed_across_rows(values.tobytes())])

    np.testing.assert_array_equal(values, decoded(ds))
