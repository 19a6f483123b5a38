"""The masks of a Segmentation as integers of one bit a pixel, and where the sides of the patient lie in them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from sgseg_dicom.check.attributes import number, text, value
from sgseg_dicom.extent import Extent
from sgseg_dicom.zones import Laterality

_BITS = {"BINARY": 1, "FRACTIONAL": 8, "LABELMAP": 8}


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


def mask_of_label(seg: Dataset, label: int) -> Mask | None:
    """Give where the one frame of a label map has the number of a segment; None where it has not one frame."""
    data = value(seg, "PixelData") or b""
    rows, columns = int(number(seg, "Rows")), int(number(seg, "Columns"))
    if min(rows, columns) < 1 or number(seg, "NumberOfFrames") != 1 or len(data) != expected_length(seg):
        return None
    labels = np.frombuffer(data, np.uint8, rows * columns)
    return _frame(np.packbits(labels == label, bitorder="little").tobytes(), 0, rows, columns)


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
class SideArea:
    """
    Where a region of one of the patient's lungs may lie on the stored grid of a frontal radiograph.

    Attributes:
        rows, columns: half-open ranges of the stored grid.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]

    def bits(self, columns: int) -> int:
        """Give the bits of this area in a grid of so many *columns*."""
        first, last = self.columns
        # Eight rows are a whole number of bytes: they repeat.
        eight = sum(((1 << last - first) - 1) << (row * columns + first) for row in range(8))
        top, bottom = self.rows
        height = bottom - top
        bits = int.from_bytes(eight.to_bytes(columns, "little") * -(-height // 8), "little")
        return (bits & ((1 << height * columns) - 1)) << top * columns


def side_area(
    side: Laterality, header: Dataset, extent: Extent, lung_centres: tuple[float, float] | None
) -> SideArea:
    """
    Find a lung's side of the image by Patient Orientation (0020,0020), PS3.3 C.7.6.1.1.1.

    Unstated, the patient's right is the lower column numbers, as a radiograph is displayed.

    Args:
        side: of the patient.
        header: of the image.
        extent: where the image lies in the stored grid.
        lung_centres: as of `Case`: a lung's side reaches up to the centre of the other lung. None: up to the middle;
            that of an odd number belongs to the left.
    """
    letters = [value.strip()[:1].upper() for value in (text(header, "PatientOrientation") + "\\").split("\\")]
    if letters[0] not in ("L", "R") and letters[1] in ("L", "R"):
        return SideArea(_side_range(side, extent.rows, letters[1] == "R", lung_centres), extent.columns)
    return SideArea(extent.rows, _side_range(side, extent.columns, letters[0] == "R", lung_centres))


def _side_range(
    side: Laterality, whole: tuple[int, int], from_left: bool, lung_centres: tuple[float, float] | None
) -> tuple[int, int]:
    """Give the part of a range that is a lung's side; *from_left*: the range begins at the patient's left."""
    first, last = whole
    length = last - first
    right_centre, left_centre = lung_centres or (0.5, 0.5)
    if side is Laterality.RIGHT:
        start, stop = 0, int(left_centre * length)
    else:
        start, stop = int(right_centre * length), length
    return (last - stop, last - start) if from_left else (first + start, first + stop)
