"""Nothing damaged is judged: every transfer syntax, every damage, a fixed seed."""

import io
import itertools
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread, uid
from pydicom.encaps import encapsulate, generate_fragments
from pydicom.uid import UID

from sgseg_dicom.accepted_objects import TRANSFER_SYNTAXES
from sgseg_dicom.errors import UndecodablePixels
from sgseg_dicom.reading.codestreams import jpeg
from sgseg_dicom.reading.codestreams.entropy_walk import Place, Walker
from sgseg_dicom.reading.codestreams.jpeg_segments import read_entropy_coded, read_header
from sgseg_dicom.reading.header import header_of
from sgseg_dicom.reading.pixel_data import PixelFormat, decode
from tests.support.builders import chest_radiograph, synthetic_chest, write
from tests.support.damaging import DAMAGES, WholeImage

CHEST = synthetic_chest((256, 224))
NATIVE = (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian)
JPEG = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1)
JPEG_LS = (uid.JPEGLSLossless, uid.JPEGLSNearLossless)
HIGH_THROUGHPUT = (uid.HTJ2K, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL)
EACH = 2

NUMBER_OF_BYTES = ("cut off", "cut off, end marker behind", "fragment lost", "fragment doubled")
"""What changes the number of bytes; it is found in every transfer syntax."""


def inputs(damages: tuple[str, ...], whole: WholeImage) -> Iterator[tuple[str, bytes]]:
    for name, number in itertools.product(damages, range(EACH)):
        rng = np.random.default_rng([19, number, list(DAMAGES).index(name)])
        yield name, DAMAGES[name](whole.stream, rng)


def let_through(damages: tuple[str, ...], syntax: UID, folder: Path) -> list[str]:
    """Give the damages after which the image was judged with other pixels."""
    whole = WholeImage(CHEST, syntax, folder)
    outcomes = [(name, whole.outcome(stream)) for name, stream in inputs(damages, whole)]
    return [name for name, outcome in outcomes if not outcome.refused and not outcome.same]


@pytest.mark.parametrize("syntax", TRANSFER_SYNTAXES, ids=lambda syntax: syntax.name)
def test_what_has_lost_or_gained_bytes_is_refused(syntax: UID, tmp_path: Path) -> None:
    """In no transfer syntax, and wherever the bytes are missing or too many."""
    assert let_through(NUMBER_OF_BYTES, syntax, tmp_path) == []


@pytest.mark.parametrize(
    "syntax", [*JPEG_LS, uid.JPEG2000, uid.JPEG2000Lossless], ids=lambda syntax: syntax.name
)
def test_adaptive_codecs_let_no_more_through_than_a_bit(syntax: UID, tmp_path: Path) -> None:
    """What is read wrongly changes how the rest is read, so that data, or a code-block, end at a wrong place."""
    assert set(let_through(tuple(DAMAGES), syntax, tmp_path)) <= {"one bit flipped"}


@pytest.mark.parametrize(
    "syntax", [syntax for syntax in TRANSFER_SYNTAXES if syntax not in NATIVE], ids=lambda syntax: syntax.name
)
def test_swapped_and_overwritten_parts_are_mostly_refused(syntax: UID, tmp_path: Path) -> None:
    """Where a codec cannot know, as docs/damaged-streams.md says, more than half are found all the same."""
    damages = ("fragments swapped", "part zeroed", "part overwritten", "nine bytes changed")

    assert len(let_through(damages, syntax, tmp_path)) <= EACH * len(damages) * 0.5


@pytest.mark.parametrize("syntax", [*JPEG, *JPEG_LS], ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("tail", [b"", b"\0", b"\0\0", bytes(300)], ids=["nothing", "one", "two", "many"])
def test_a_whole_stream_without_an_end_marker_is_read(syntax: UID, tail: bytes, tmp_path: Path) -> None:
    """Some writers leave EOI out, or have padding in its place."""
    whole = WholeImage(CHEST, syntax, tmp_path)
    bare = whole.stream.rstrip(b"\0").removesuffix(b"\xff\xd9")

    assert whole.outcome(bare + tail).same


@pytest.mark.parametrize("syntax", [*HIGH_THROUGHPUT, uid.JPEG2000, uid.JPEG2000Lossless])
@pytest.mark.parametrize("tail", [b"", b"\0", bytes(300), b"\xff\xd9" + bytes(300)])
def test_a_whole_codestream_is_read_whatever_is_behind_it(syntax: UID, tail: bytes, tmp_path: Path) -> None:
    """The parts say how long they are (ISO/IEC 15444-1 A.4.2); EOC is not needed."""
    whole = WholeImage(CHEST, syntax, tmp_path)
    bare = whole.stream.rstrip(b"\0").removesuffix(b"\xff\xd9")

    assert whole.outcome(bare + tail).same


@pytest.mark.parametrize("syntax", [s for s in TRANSFER_SYNTAXES if s.is_encapsulated], ids=lambda s: s.name)
@pytest.mark.parametrize("size", [64, 1000, 1 << 20])
@pytest.mark.parametrize("table", ["none", "frame", "fragments", "one too many", "nonsense", "left out"])
def test_a_single_frame_is_all_its_fragments(syntax: UID, size: int, table: str, tmp_path: Path) -> None:
    """Whatever the offset table says (PS3.5 A.4)."""
    whole = WholeImage(CHEST, syntax, tmp_path)
    fragments = [whole.stream[begin : begin + size] for begin in range(0, len(whole.stream), size)]
    offsets = [number * (size + 8) for number in range(len(fragments))]
    tables = {
        "none": [],
        "frame": [0],
        "fragments": offsets,
        "one too many": [0, len(whole.stream) + 8 * len(fragments)],
        "nonsense": [77, 12345678],
        "left out": None,
    }
    stated = tables[table]
    entries = b"" if stated is None else b"".join(offset.to_bytes(4, "little") for offset in stated)
    first = [] if stated is None else [entries]
    ds = dcmread(tmp_path / "whole.dcm")
    ds.PixelData = b"".join(
        b"\xfe\xff\x00\xe0" + len(one).to_bytes(4, "little") + one for one in [*first, *fragments]
    )

    np.testing.assert_array_equal(whole.pixels, decode(ds, PixelFormat.of(header_of(ds))))


@pytest.mark.parametrize("syntax", [s for s in TRANSFER_SYNTAXES if s.is_encapsulated], ids=lambda s: s.name)
def test_a_bare_codestream_is_read(syntax: UID, tmp_path: Path) -> None:
    """Some devices write it without items around it."""
    whole = WholeImage(CHEST, syntax, tmp_path)
    ds = dcmread(tmp_path / "whole.dcm")
    ds.PixelData = whole.stream

    np.testing.assert_array_equal(whole.pixels, decode(ds, PixelFormat.of(header_of(ds))))


def test_native_pixels_under_a_compressed_syntax_are_refused_for_that_reason(tmp_path: Path) -> None:
    """Neither items nor a codestream: the transfer syntax is wrong."""
    ds = dcmread(write(chest_radiograph(pixels=CHEST), tmp_path / "x.dcm", uid.JPEGLosslessSV1))
    ds.PixelData = CHEST.tobytes()

    with pytest.raises(UndecodablePixels, match="neither encapsulated"):
        decode(ds, whole_format(ds))


def whole_format(ds: object) -> PixelFormat:
    return PixelFormat.of(header_of(ds))


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("predictor", range(1, 8))
def test_the_end_of_lossless_data_is_found_in_rows_that_are_not_there(
    predictor: int, bits: int, monkeypatch
) -> None:
    """libjpeg's fill is known, so that whole streams need no walk; a walk would be three times slower."""
    pixels = CHEST[:101, :83] >> max(0, 12 - bits) << max(0, bits - 12)
    stored = pixels.astype(np.uint8 if bits == 8 else np.uint16)
    stream = imagecodecs.jpeg8_encode(stored, lossless=True, predictor=predictor, bitspersample=bits)
    walked = []
    monkeypatch.setattr(jpeg, "_require_whole", lambda *_: walked.append(True))

    found = jpeg.decode_jpeg(stream).values

    np.testing.assert_array_equal(stored, found)
    assert len(walked) <= (
        bits == 8 and predictor in (5, 6, 7)
    )  # 8 bits of 16 are known, halves of which are not


@pytest.mark.parametrize("level", [30, 75, 95, 100])
@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("optimize", [False, True])
def test_a_walk_in_lanes_is_the_walk_code_by_code(level: int, bits: int, optimize: bool) -> None:
    """Many walks at a time end where the one walk ends, with as many blocks."""
    stored = (synthetic_chest((512, 440)) >> 12 - bits).astype(np.uint8 if bits == 8 else np.uint16)
    stream = imagecodecs.jpeg8_encode(stored, level=level, bitspersample=bits, optimize=optimize or None)
    header = read_header(stream)
    coded = read_entropy_coded(stream, header.scan.data, restarts=False)
    walker = Walker(coded.data, jpeg._steps(header))
    stop = 8 * len(coded.data) - 64

    (in_lanes,) = walker.places_at([(0, stop)], 55 * 64)

    place = Place(0)
    while place.bit < stop:
        place = walker.moved(place)
        assert place is not None
    assert in_lanes == place
    assert walker.place_after(place, 55 * 64, stop + 64) is not None


def test_a_scan_header_with_other_numbers_than_the_standards_is_read() -> None:
    """Se, Ah and the component's identifier mean nothing in a lossless scan of one component."""
    stream = imagecodecs.jpeg8_encode(CHEST, lossless=True, predictor=1, bitspersample=12)
    header = read_header(stream)
    start, end = header.scan.start, header.scan.data
    scan = bytearray(stream[start:end])
    scan[5], scan[-2], scan[-1] = 99, 63, 0x10

    found = jpeg.decode_jpeg(stream[:start] + bytes(scan) + stream[end:]).values

    np.testing.assert_array_equal(CHEST, found)


@pytest.mark.parametrize("interval", [1, 2])
def test_restart_intervals_are_each_whole(interval: int) -> None:
    """Each holds its blocks; one that is lost, or damaged, is found although the next one starts anew."""
    buffer = io.BytesIO()
    picture = Image.fromarray((CHEST >> 4).astype(np.uint8))
    picture.save(buffer, "JPEG", quality=90, restart_marker_rows=interval)
    stream = buffer.getvalue()
    parts = stream.split(b"\xff\xd3")
    lost = parts[0] + b"\xff\xd3" + parts[1][8:] if len(parts) > 1 else stream
    whole = imagecodecs.jpeg8_decode(stream)

    np.testing.assert_array_equal(whole, jpeg.decode_jpeg(stream).values)
    with pytest.raises(UndecodablePixels):
        jpeg.decode_jpeg(lost)


def test_sixteen_bits_under_twelve_are_no_contour_lines(tmp_path: Path) -> None:
    """With High Bit 15 they are read as uncompressed ones are; with High Bit 11 they contradict the header."""
    ds = chest_radiograph(pixels=CHEST, HighBit=15)
    path = write(ds, tmp_path / "x.dcm", uid.JPEGLosslessSV1)
    encoded = dcmread(path)
    encoded.PixelData = encapsulate([imagecodecs.ljpeg_encode(CHEST << 4, bitspersample=16)])

    np.testing.assert_array_equal(CHEST, decode(encoded, whole_format(encoded)))
    encoded.HighBit = 11
    with pytest.raises(UndecodablePixels, match="do not fit into Bits Stored 12"):
        decode(encoded, whole_format(encoded))


@pytest.mark.parametrize("representation", [0, 1])
def test_the_sign_of_a_jpeg_2000_stream_is_not_ignored(representation: int, tmp_path: Path) -> None:
    """Negative values are read where the header allows them, and refused where it does not."""
    signed = CHEST.astype(np.int16) - 2048
    path = write(chest_radiograph(pixels=CHEST), tmp_path / "x.dcm", uid.JPEG2000Lossless)
    encoded = dcmread(path)
    stream = imagecodecs.jpeg2k_encode(signed, level=0, codecformat="j2k", reversible=True)
    encoded.PixelData = encapsulate([stream])
    encoded.PixelRepresentation = representation

    if representation:
        np.testing.assert_array_equal(signed.astype(np.uint16) & 4095, decode(encoded, whole_format(encoded)))
    else:
        with pytest.raises(UndecodablePixels, match="Pixel Representation"):
            decode(encoded, whole_format(encoded))


def test_every_syntax_reads_its_own_whole_stream(tmp_path: Path) -> None:
    """The damage is what is refused: the same way through the tests, undamaged, is no refusal."""
    for syntax in TRANSFER_SYNTAXES:
        whole = WholeImage(CHEST, syntax, tmp_path)
        assert whole.outcome(whole.stream).same, syntax.name


def test_a_cut_stream_of_jpeg_ls_comes_back(tmp_path: Path) -> None:
    """CharLS 2.4 reads endlessly where data end without a marker."""
    ds = dcmread(write(chest_radiograph(pixels=CHEST), tmp_path / "x.dcm", uid.JPEGLSLossless))
    _, stream = generate_fragments(ds.PixelData)
    for length in range(1000, len(stream) - 3, len(stream) // 11):
        ds.PixelData = encapsulate([stream[:length]])
        with pytest.raises(UndecodablePixels):
            decode(ds, whole_format(ds))
