"""Pixel Data in every transfer syntax and bit layout."""

import contextlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, dcmread, uid
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from sgseg_dicom.accepted_objects import TRANSFER_SYNTAXES
from sgseg_dicom.errors import SgsegError, UndecodablePixels
from sgseg_dicom.reading.header import header_of
from sgseg_dicom.reading.pixel_data import DECODED, PixelFormat, decode
from sgseg_dicom.reading.read import read
from tests.support.builders import (
    LOSSLESS_SYNTAXES,
    LOSSY_SYNTAXES,
    chest_radiograph,
    stored_values,
    synthetic_chest,
    write,
)
from tests.support.damaging import WholeImage

CHEST = synthetic_chest((96, 80))
STREAMS = (uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless, uid.HTJ2KLossless)
CUT_OFF = {
    uid.ExplicitVRLittleEndian: "the rest was cut off",
    uid.RLELossless: "segments overlap, or begin behind its end|bytes of a segment are missing",
    uid.JPEGLosslessSV1: "do not hold the image",
    uid.JPEGLSLossless: "JPEG-LS stream is damaged or cut off",
    uid.JPEG2000Lossless: "goes beyond its end",
    uid.HTJ2KLossless: "goes beyond its end",
}
DEPTHS = {
    "8 bits": (CHEST >> 4).astype(np.uint8),
    "12 of 16 bits": CHEST,
    "16 bits": CHEST * 16,
    "12 of 16 bits, signed": CHEST.astype(np.int16) - 2048,
    "16 bits, signed": (CHEST.astype(np.int32) * 16 - 32768).astype(np.int16),
}


def decoded(path: Path) -> NDArray[np.uint16]:
    ds = dcmread(path)
    return decode(ds, PixelFormat.of(header_of(ds)))


def bits_of(ds: Dataset) -> NDArray[np.uint16]:
    return stored_values(ds).astype(np.uint16) & (2**ds.BitsStored - 1)


def test_every_transfer_syntax_is_tested() -> None:
    """What is offered to senders is what these tests write."""
    assert set(TRANSFER_SYNTAXES) == {*LOSSLESS_SYNTAXES, *LOSSY_SYNTAXES}


def test_what_the_receiver_accepts_is_what_the_reader_decodes() -> None:
    """A transfer syntax that stood in one list alone would be acknowledged and then rejected, or never offered."""
    assert set(TRANSFER_SYNTAXES) == set(DECODED)


@pytest.mark.parametrize("syntax", LOSSLESS_SYNTAXES, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_lossless_syntax_is_decoded_bit_for_bit(syntax: UID, depth: str, tmp_path: Path) -> None:
    """Every stored bit comes back, signed or not."""
    ds = chest_radiograph(kind="CR", pixels=DEPTHS[depth])

    np.testing.assert_array_equal(bits_of(ds), decoded(write(ds, tmp_path / "x.dcm", syntax)))


@pytest.mark.parametrize("predictor", range(1, 8))
def test_every_predictor_of_jpeg_lossless_is_decoded(predictor: int, tmp_path: Path) -> None:
    """Process 14 allows the selection values 1 to 7 (PS3.5 A.4.1)."""
    ds = chest_radiograph(pixels=CHEST)
    stream = imagecodecs.jpeg8_encode(CHEST, lossless=True, predictor=predictor, bitspersample=12)
    path = write(ds, tmp_path / "x.dcm", uid.JPEGLossless)
    encoded = dcmread(path)
    encoded.PixelData = encapsulate([stream])
    encoded.save_as(path)

    np.testing.assert_array_equal(CHEST, decoded(path))


@pytest.mark.parametrize("syntax", LOSSY_SYNTAXES, ids=lambda syntax: syntax.name)
def test_a_lossy_syntax_is_decoded_within_its_loss(syntax: UID, tmp_path: Path) -> None:
    """The image is recognised: 2 % of its range off at most on average."""
    pixels = DEPTHS["8 bits"] if syntax == uid.JPEGBaseline8Bit else CHEST
    ds = chest_radiograph(pixels=pixels)

    found = decoded(write(ds, tmp_path / "x.dcm", syntax)).astype(np.int64)

    assert np.abs(found - pixels).mean() < 0.02 * 2**ds.BitsStored


def test_a_lossy_overshoot_stays_white(tmp_path: Path) -> None:
    """A value above Bits Stored, as near-lossless coding can give, does not wrap round to black."""
    ds = chest_radiograph(pixels=CHEST)
    path = write(ds, tmp_path / "x.dcm", uid.JPEGLSNearLossless)
    encoded = dcmread(path)
    encoded.PixelData = encapsulate([imagecodecs.jpegls_encode(np.full_like(CHEST, 4097), level=2)])
    encoded.save_as(path)

    assert np.unique(decoded(path)) == [4095]


def test_junk_above_bits_stored_is_ignored(tmp_path: Path) -> None:
    """Overlays and noise in the unused high bits are no image (PS3.5 8.1.1)."""
    ds = chest_radiograph(pixels=CHEST)
    ds.PixelData = (CHEST | 0xA000).astype("<u2").tobytes()

    np.testing.assert_array_equal(CHEST, decoded(write(ds, tmp_path / "x.dcm")))


def test_bits_are_taken_from_below_high_bit(tmp_path: Path) -> None:
    """Twelve bits at the upper end of sixteen are the twelve bits."""
    ds = chest_radiograph(pixels=CHEST, HighBit=15)
    ds.PixelData = (CHEST.astype(np.uint32) << 4 | 5).astype("<u2").tobytes()

    np.testing.assert_array_equal(CHEST, decoded(write(ds, tmp_path / "x.dcm")))


def test_a_signed_image_reads_like_the_unsigned_one_shifted(tmp_path: Path) -> None:
    """The sign bit is at Bits Stored, not at Bits Allocated."""
    no_window = {"kind": "CR", "WindowCenter": None, "WindowWidth": None}
    signed = chest_radiograph(pixels=DEPTHS["12 of 16 bits, signed"], **no_window)
    plain = chest_radiograph(pixels=CHEST, **no_window)

    found = read(write(signed, tmp_path / "a.dcm")).pixels

    np.testing.assert_allclose(found, read(write(plain, tmp_path / "b.dcm")).pixels, atol=1e-6)


@pytest.mark.parametrize("syntax", STREAMS, ids=lambda syntax: syntax.name)
def test_a_stream_of_another_size_than_the_header_is_refused(syntax: UID, tmp_path: Path) -> None:
    """Rows and Columns are checked against the stream before memory is taken for it."""
    path = write(chest_radiograph(pixels=CHEST), tmp_path / "x.dcm", syntax)
    encoded = dcmread(path)
    encoded.Rows, encoded.Columns = encoded.Columns, encoded.Rows
    encoded.save_as(path)

    with pytest.raises(UndecodablePixels, match="80 x 96, but the pixel data hold 96 x 80"):
        read(path)


@pytest.mark.parametrize("syntax", TRANSFER_SYNTAXES, ids=lambda syntax: syntax.name)
def test_pixel_data_cut_in_half_are_refused(syntax: UID, tmp_path: Path) -> None:
    """Half an image is not judged, and what is left of it is a codestream, or pixels, from its start."""
    whole = WholeImage(CHEST, syntax, tmp_path)

    outcome = whole.outcome(whole.stream[: len(whole.stream) // 4 * 2])

    assert outcome.refused
    assert "no image" not in outcome.error


def test_a_transfer_syntax_without_decoder_is_named(tmp_path: Path) -> None:
    """The message says what came and what to do."""
    path = write(chest_radiograph(pixels=CHEST), tmp_path / "x.dcm", uid.JPEGLosslessSV1)
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.4.70", b"1.2.840.10008.1.2.4.94"))

    with pytest.raises(UndecodablePixels, match="JPIP"):
        read(path)


@pytest.mark.parametrize("syntax", TRANSFER_SYNTAXES, ids=lambda syntax: syntax.name)
def test_damage_ends_in_an_expected_error_or_an_image(syntax: UID, tmp_path: Path) -> None:
    """
    Bytes flipped at random places, in the header and in the pixels, raise nothing unforeseen.

    Whether the pixels are right then, `test_damaged_streams` asks: here the header may say something else too.
    """
    pixels = DEPTHS["8 bits"] if syntax == uid.JPEGBaseline8Bit else CHEST
    path = write(chest_radiograph(pixels=pixels), tmp_path / "x.dcm", syntax)
    sound = np.frombuffer(path.read_bytes(), np.uint8)
    random = np.random.default_rng(len(syntax))
    for _ in range(12):
        damaged = sound.copy()
        places = random.integers(132, len(sound), random.choice([1, 5, 20]))
        damaged[places] = random.integers(0, 256, len(places))
        path.write_bytes(damaged.tobytes())
        with contextlib.suppress(SgsegError):
            assert np.isfinite(read(path).pixels).all()
