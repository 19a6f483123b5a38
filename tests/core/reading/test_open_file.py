"""Files that pydicom reads wrongly or not at all, and that other readers read."""

import struct
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread, uid
from pydicom.encaps import encapsulate

from sgseg_dicom.errors import InvalidDataset, UndecodablePixels
from sgseg_dicom.reading import inflated_file, open_file
from sgseg_dicom.reading.read import read, read_header
from tests.support.builders import chest_radiograph, synthetic_chest, write

CHEST = synthetic_chest((96, 80))
END = b"\xfe\xff\xdd\xe0\0\0\0\0"
PIXEL_DATA = b"\xe0\x7f\x10\x00"


def icon() -> bytes:
    """Give the elements of a compressed icon."""

    def number(element: int, value: int) -> bytes:
        return struct.pack("<HH2sHH", 0x28, element, b"US", 2, value)

    fragments = encapsulate([bytes(range(200))])
    return (
        number(2, 1)
        + struct.pack("<HH2sH", 0x28, 4, b"CS", 12)
        + b"MONOCHROME2 "
        + number(0x10, 8)
        + number(0x11, 8)
        + number(0x100, 8)
        + number(0x101, 8)
        + number(0x102, 7)
        + number(0x103, 0)
        + struct.pack("<HH2sHL", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF)
        + fragments
        + END
    )


def with_icon(path: Path, sequence: int, item: int) -> Path:
    """Put an icon into a file whose lengths are off by so many bytes."""
    data, inner = path.read_bytes(), icon()
    place = (
        data.rindex(b"\x50\x20\x20\x00CS") if b"\x50\x20\x20\x00CS" in data else data.index(PIXEL_DATA + b"O")
    )
    head = struct.pack("<HH2sHL", 0x88, 0x200, b"SQ", 0, len(inner) + 8 + sequence)
    head += b"\xfe\xff\x00\xe0" + struct.pack("<L", len(inner) + item)
    path.write_bytes(data[:place] + head + inner + data[place:])
    return path


@pytest.mark.parametrize("syntax", [uid.JPEGLosslessSV1, uid.ExplicitVRLittleEndian], ids=lambda s: s.name)
@pytest.mark.parametrize(
    ("sequence", "item"),
    [(0, 0), (-24, -24), (-16, -16), (24, 24), (-24, 0), (0, -24), (-220, -220), (1000, 1000)],
)
def test_an_icon_with_wrong_lengths_hides_no_pixels(
    sequence: int, item: int, syntax: uid.UID, tmp_path: Path
) -> None:
    """Nor the elements behind it: an inversion, for one. Nobody needs the icon."""
    ds = chest_radiograph(pixels=CHEST, PhotometricInterpretation="MONOCHROME1")
    plain = read(write(ds, tmp_path / "a.dcm", syntax))
    path = with_icon(write(ds, tmp_path / "b.dcm", syntax), sequence, item)

    found = read(path)

    np.testing.assert_array_equal(plain.pixels, found.pixels)
    assert read_header(path).PresentationLUTShape == "INVERSE"


@pytest.mark.parametrize("left", [0, 4])
def test_fragments_without_a_delimiter_are_read_to_the_end(left: int, tmp_path: Path) -> None:
    """Their lengths say where they end."""
    path = write(chest_radiograph(pixels=CHEST), tmp_path / "x.dcm", uid.JPEGLosslessSV1)
    whole = read(path).pixels
    path.write_bytes(path.read_bytes()[: left - 8 or None])

    np.testing.assert_array_equal(whole, read(path).pixels)


def test_a_file_cut_within_its_fragments_is_refused_as_damaged(tmp_path: Path) -> None:
    """It has no delimiter either; the image is known, and its pixels are not whole."""
    path = write(chest_radiograph(pixels=CHEST), tmp_path / "x.dcm", uid.JPEGLosslessSV1)
    path.write_bytes(path.read_bytes()[:-700])

    with pytest.raises(UndecodablePixels, match="damaged or cut off"):
        read(path)


def test_bytes_put_in_among_native_pixels_are_found_behind_them(tmp_path: Path) -> None:
    """The length counts the bytes that were to be there; as many as were put in are pushed out."""
    path = write(chest_radiograph(pixels=CHEST), tmp_path / "x.dcm")
    data = path.read_bytes()
    path.write_bytes(data[:-2000] + data[-2400:])

    with pytest.raises(UndecodablePixels, match="behind Pixel Data"):
        read(path)


@pytest.mark.parametrize("behind", [bytes(512), b"\xfc\xff\xfc\xffOB\0\0\x08\0\0\0" + bytes(8)])
def test_padding_behind_native_pixels_is_none(behind: bytes, tmp_path: Path) -> None:
    """Zeros up to a block, or Data Set Trailing Padding (PS3.10 7.2)."""
    path = write(chest_radiograph(pixels=CHEST), tmp_path / "x.dcm")
    whole = read(path).pixels
    path.write_bytes(path.read_bytes() + behind)

    np.testing.assert_array_equal(whole, read(path).pixels)


def test_a_deflated_file_without_its_end_is_refused_but_named(tmp_path: Path) -> None:
    """The header, which is at its start, says which image was not judged."""
    ds = chest_radiograph(pixels=CHEST)
    path = write(ds, tmp_path / "x.dcm", uid.DeflatedExplicitVRLittleEndian)
    path.write_bytes(path.read_bytes()[:-400])

    with pytest.raises(UndecodablePixels, match="deflated data set"):
        read(path)
    assert read_header(path).SOPInstanceUID == ds.SOPInstanceUID


def test_a_deflated_file_of_more_than_any_image_is_refused(tmp_path: Path, monkeypatch) -> None:
    """A few bytes can inflate to what no memory holds."""
    monkeypatch.setattr(inflated_file, "MOST_BYTES", 10_000)
    path = write(chest_radiograph(pixels=CHEST), tmp_path / "x.dcm", uid.DeflatedExplicitVRLittleEndian)

    with pytest.raises(InvalidDataset, match="more than 10000 bytes"):
        read(path)


def test_a_deflated_file_is_read_with_its_padding(tmp_path: Path) -> None:
    """A data set of an odd number of bytes has a zero behind it (PS3.5 A.5)."""
    ds = chest_radiograph(pixels=CHEST)
    path = write(ds, tmp_path / "x.dcm", uid.DeflatedExplicitVRLittleEndian)
    whole = read(path).pixels
    path.write_bytes(path.read_bytes() + b"\0")

    np.testing.assert_array_equal(whole, read(path).pixels)


@pytest.mark.parametrize("number", ["01", "1 ", "0"])
def test_one_frame_is_one_however_it_is_written(number: str, tmp_path: Path) -> None:
    """IS allows leading zeros (PS3.5 6.2)."""
    path = write(chest_radiograph(pixels=CHEST), tmp_path / "x.dcm")
    ds = dcmread(path)
    ds.add_new("NumberOfFrames", "IS", number)
    ds.save_as(path)

    assert read(path).pixels.shape == CHEST.shape


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_voi_lut_with_fewer_entries_than_it_says_is_none(bits: int, tmp_path: Path) -> None:
    """Which values its entries are for is not known; the window is applied in its place."""
    windowed = chest_radiograph(pixels=CHEST, WindowCenter=1000, WindowWidth=1500)
    plain = read(write(windowed, tmp_path / "a.dcm")).pixels
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4096, 0, bits])
    item.add_new("LUTData", "OW", (np.arange(2500) % (1 << bits)).astype("<u2").tobytes())
    windowed.VOILUTSequence = [item]

    np.testing.assert_array_equal(plain, read(write(windowed, tmp_path / "b.dcm")).pixels)


def test_fill_behind_the_pixels_is_not_read_as_elements(tmp_path):
    """
    Eight megabytes of zeros, as a writer pads a file or a hostile one deflates into 8 kB, are a million empty
    elements to pydicom. The image is read as it was.
    """
    path = write(chest_radiograph(pixels=CHEST), tmp_path / "a.dcm")
    expected = read(path)
    path.write_bytes(path.read_bytes() + bytes(8 << 20))
    ds = open_file.open_image(path)

    assert 0 not in ds
    assert np.array_equal(read(path).pixels, expected.pixels)


@pytest.mark.parametrize("reader", [read, read_header])
def test_more_elements_than_any_header_has_are_refused(tmp_path, reader):
    """
    Before all of them are read: a million of them, 8 MB, take pydicom several seconds.
    """
    path = write(chest_radiograph(pixels=CHEST), tmp_path / "a.dcm")
    data = path.read_bytes()
    place = data.index(PIXEL_DATA + b"OW")
    empty = b"".join(struct.pack("<HH2sH", 0x51, number, b"LO", 0) for number in range(1, 50_000))
    path.write_bytes(data[:place] + 3 * empty + data[place:])

    with pytest.raises(InvalidDataset, match="more than 100000 elements"):
        reader(path)


@pytest.mark.parametrize("order", ["<", ">"])
def test_more_items_than_any_sequences_have_are_refused(tmp_path, order):
    """
    Before pydicom makes a data set of each: 100,000 empty ones, 0.8 MB, take ten seconds.
    """
    syntax = uid.ExplicitVRLittleEndian if order == "<" else uid.ExplicitVRBigEndian
    path = write(chest_radiograph(pixels=CHEST), tmp_path / "a.dcm", syntax)
    data, pixels = path.read_bytes(), struct.pack(f"{order}HH", 0x7FE0, 0x10)
    bomb = struct.pack(f"{order}HH2sHL", 0x51, 0x1001, b"SQ", 0, 0xFFFFFFFF)
    bomb += 100_000 * struct.pack(f"{order}HHL", 0xFFFE, 0xE000, 0)
    bomb += struct.pack(f"{order}HHL", 0xFFFE, 0xE0DD, 0)
    place = data.rindex(pixels + b"O")
    path.write_bytes(data[:place] + bomb + data[place:])

    with pytest.raises(InvalidDataset, match="more than 20000 items"):
        read(path)
