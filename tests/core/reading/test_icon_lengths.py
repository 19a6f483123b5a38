"""Files whose Icon Image Sequence has a wrong length: mended where that is sure, and never at any price."""

import struct
import time
from pathlib import Path

import pytest

from sgseg_dicom.errors import InstanceError, InvalidDataset
from sgseg_dicom.reading.open_file import open_image
from sgseg_dicom.reading.read import read
from tests.support.builders import chest_radiograph, synthetic_chest, write

CHEST = synthetic_chest((96, 80))
ITEM, ITEM_END, END = (struct.pack("<HHL", 0xFFFE, element, 0) for element in (0xE000, 0xE00D, 0xE0DD))
OPEN_ITEM = ITEM[:4] + b"\xff\xff\xff\xff"
PIXEL_DATA = b"\xe0\x7f\x10\x00OW"
MOST_SECONDS = 5.0


def sequence(group: int, element: int, length: int, value: bytes = b"") -> bytes:
    return struct.pack("<HH2sHL", group, element, b"SQ", 0, length) + value


def icon(length: int) -> bytes:
    return sequence(0x0088, 0x0200, length, ITEM)


def with_bytes(inserted: bytes, path: Path) -> Path:
    """Put *inserted* in front of Pixel Data, which is behind all that these images have below group 0088."""
    data = write(chest_radiograph(pixels=CHEST), path).read_bytes()
    place = data.rindex(PIXEL_DATA)
    path.write_bytes(data[:place] + inserted + data[place:])
    return path


def nested(depth: int) -> bytes:
    """A private element of so many sequences within sequences, of undefined length."""
    opened = sequence(0x0099, 0x1010, 0xFFFFFFFF) + OPEN_ITEM
    return b"\x99\x00\x10\x00LO\x04\x00mine" + opened * depth + (ITEM_END + END) * depth


@pytest.mark.parametrize("length", [0, 4, 100])
@pytest.mark.parametrize("behind", [b"", nested(3)], ids=["Pixel Data", "sequences"])
def test_an_icon_of_a_wrong_length_is_left_out(behind: bytes, length: int, tmp_path: Path) -> None:
    """Nobody needs it; what follows is found."""
    ds = open_image(with_bytes(icon(length) + behind, tmp_path / "x.dcm"))

    assert CHEST.astype("<u2").tobytes() == ds.PixelData


@pytest.mark.parametrize("length", [0, 4, 100_000])
def test_sequences_nested_without_end_are_the_images_fault(length: int, tmp_path: Path) -> None:
    """3,000 sequences within each other are more than any reader follows."""
    path = with_bytes(icon(length) + nested(3000), tmp_path / "x.dcm")

    with pytest.raises(InstanceError):
        read(path)
    if not length:
        with pytest.raises(InvalidDataset):
            open_image(path)


def test_many_ways_to_one_long_sequence_take_no_time(tmp_path: Path) -> None:
    """Each place at which the icon may end leads to the same 200,000 empty items, and then to nothing."""
    way = b"".join(
        struct.pack("<HH2sHL", 0x0089, 0x1000 + number, b"OB", 0, 12 * (39 - number)) for number in range(40)
    )
    long = sequence(0x0091, 0x1000, 0xFFFFFFFF) + ITEM * 200_000 + END + bytes(8)
    path = with_bytes(icon(2) + way + long, tmp_path / "x.dcm")
    began = time.monotonic()

    with pytest.raises(InstanceError):
        read(path)

    assert time.monotonic() - began < MOST_SECONDS
