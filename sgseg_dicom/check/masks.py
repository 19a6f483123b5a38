"""The masks of a Segmentation as integers of one bit a pixel, and where the patient's right lies in them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from sgseg_dicom.check.attributes import number, text, value
from sgseg_dicom.extent import Extent

_BITS = {"BINARY": 1, "FRACTIONAL": 8}


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """
    One frame.

    Attributes:
        rows, columns: of the stored grid.
        bits: bit row * columns + column is set where the pixel is not 0. Python counts and compares 10 million
            of them in a millisecond, in any width.
        packed: the same as bytes, the lowest bit first.
    """

    rows: int
    columns: int
    bits: int
    packed: bytes

    def share_in(self, area: int) -> float:
        """Give the share, 0 to 1, of the marked pixels that lie in *area*; 0 where none is marked."""
        return (self.bits & area).bit_count() / max(self.bits.bit_count(), 1)

    def touches(self, points: NDArray[np.float32]) -> bool:
        """Whether each of *points*, (n, 2) column and row of pixel corners, has a marked pixel around it."""
        packed = np.frombuffer(self.packed, np.uint8)
        corners = np.floor(points).astype(np.int64)
        around = np.array([(0, 0), (-1, 0), (0, -1), (-1, -1)])
        column, row = np.moveaxis(corners[:, None] + around, 2, 0)
        inside = (row >= 0) & (row < self.rows) & (column >= 0) & (column < self.columns)
        places = np.where(inside, row * self.columns + column, 0)
        marked = inside & ((packed[places >> 3] >> (places & 7)) & 1 == 1)
        return bool(marked.any(axis=1).all())


def expected_length(seg: Dataset) -> int:
    """Give the bytes of Pixel Data that its sizes ask for: frames are packed without a gap (PS3.5 8.1.1)."""
    bits = _BITS.get(text(seg, "SegmentationType"), 0)
    count = int(number(seg, "NumberOfFrames") * number(seg, "Rows") * number(seg, "Columns")) * bits
    return -(-count // 16) * 2


def masks_of(seg: Dataset) -> list[Mask]:
    """Give the frames in their order; none where Pixel Data have another length than they should."""
    data = value(seg, "PixelData") or b""
    rows, columns = int(number(seg, "Rows")), int(number(seg, "Columns"))
    if min(rows, columns) < 1 or not data or len(data) != expected_length(seg):
        return []
    if text(seg, "SegmentationType") == "FRACTIONAL":
        data = np.packbits(np.frombuffer(data, np.uint8) != 0, bitorder="little").tobytes()
    return [_frame(data, place, rows, columns) for place in range(int(number(seg, "NumberOfFrames")))]


def _frame(data: bytes, place: int, rows: int, columns: int) -> Mask:
    """Cut one frame out of packed bits; it may begin within a byte (PS3.5 8.1.1)."""
    size = rows * columns
    start, stop = place * size, (place + 1) * size
    bits = int.from_bytes(data[start // 8 : -(-stop // 8)], "little") >> start % 8
    if start % 8 == 0 == stop % 8:
        return Mask(rows, columns, bits, data[start // 8 : stop // 8])
    bits &= (1 << size) - 1
    return Mask(rows, columns, bits, bits.to_bytes(-(-size // 8), "little"))


@dataclass(frozen=True, slots=True)
class Half:
    """
    Where the patient's right lies on the stored grid of a frontal radiograph.

    Attributes:
        rows, columns: half-open ranges of the stored grid.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]

    def area(self, columns: int) -> int:
        """Give the bits of this half in a grid of so many *columns*."""
        first, last = self.columns
        # Eight rows are a whole number of bytes: they repeat.
        eight = sum(((1 << last - first) - 1) << (row * columns + first) for row in range(8))
        top, bottom = self.rows
        height = bottom - top
        bits = int.from_bytes(eight.to_bytes(columns, "little") * -(-height // 8), "little")
        return (bits & ((1 << height * columns) - 1)) << top * columns


def right_half(header: Dataset, extent: Extent) -> Half:
    """
    Find the patient's right half of the image by Patient Orientation (0020,0020), PS3.3 C.7.6.1.1.1.

    Unstated, it is the lower column numbers, as a radiograph is displayed. The middle of an odd number belongs
    to the other half.

    Args:
        header: of the image.
        extent: where the image lies in the stored grid.
    """
    letters = [value.strip()[:1].upper() for value in (text(header, "PatientOrientation") + "\\").split("\\")]
    (top, bottom), (first, last) = extent.rows, extent.columns
    if letters[0] not in ("L", "R") and letters[1] in ("L", "R"):
        half = (bottom - top) // 2
        return Half((top, top + half) if letters[1] == "L" else (bottom - half, bottom), extent.columns)
    half = (last - first) // 2
    return Half(extent.rows, (last - half, last) if letters[0] == "R" else (first, first + half))
