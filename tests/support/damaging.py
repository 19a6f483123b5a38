"""Whole images in every transfer syntax, and what transfer, storage and faulty writers do to them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread, uid
from pydicom.encaps import encapsulate, generate_fragments
from pydicom.uid import UID

from sgseg_dicom.errors import SgsegError
from sgseg_dicom.reading.header import header_of
from sgseg_dicom.reading.open_file import open_image
from sgseg_dicom.reading.pixel_data import PixelFormat, decode
from tests.support.builders import chest_radiograph, write

Rng = np.random.Generator
HEADER = 700
"""Bytes at the start of a stream that are left as they are: damage there is found by everyone."""

END_MARKERS = (b"\xff\xd9", b"\xff\xd9\x00")


class Outcome(NamedTuple):
    """What became of a damaged image."""

    refused: bool
    same: bool  # judged, with the pixels of the whole image
    error: str


def cut(stream: bytes, rng: Rng) -> bytes:
    return stream[: rng.integers(_start(stream), len(stream) - 2)]


def cut_with_an_end(stream: bytes, rng: Rng) -> bytes:
    """Cut, with the end of the whole stream behind it."""
    return cut(stream, rng) + stream[-2:]


def zeroed(stream: bytes, rng: Rng) -> bytes:
    begin, end = _part(stream, rng)
    return stream[:begin] + bytes(end - begin) + stream[end:]


def overwritten(stream: bytes, rng: Rng) -> bytes:
    """Noise over a part."""
    begin, end = _part(stream, rng)
    return stream[:begin] + rng.bytes(end - begin) + stream[end:]


def fragment_lost(stream: bytes, rng: Rng) -> bytes:
    parts = _fragments(stream, rng)
    del parts[rng.integers(1, len(parts) - 1)]
    return b"".join(parts)


def fragment_doubled(stream: bytes, rng: Rng) -> bytes:
    parts = _fragments(stream, rng)
    number = int(rng.integers(1, len(parts) - 1))
    return b"".join([*parts[: number + 1], *parts[number:]])


def fragments_swapped(stream: bytes, rng: Rng) -> bytes:
    parts = _fragments(stream, rng)
    one, other = rng.choice(np.arange(1, len(parts) - 1), 2, replace=False)
    parts[one], parts[other] = parts[other], parts[one]
    return b"".join(parts)


def bit_flipped(stream: bytes, rng: Rng) -> bytes:
    changed = bytearray(stream)
    changed[rng.integers(_start(stream), len(stream) - 2)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def bytes_changed(stream: bytes, rng: Rng) -> bytes:
    """Nine bytes at random places, as a failing disk or memory leaves them."""
    changed = bytearray(stream)
    for place in rng.integers(_start(stream), len(stream) - 2, 9):
        changed[place] ^= int(rng.integers(1, 256))
    return bytes(changed)


DAMAGES: Mapping[str, Callable[[bytes, Rng], bytes]] = {
    "cut off": cut,
    "cut off, end marker behind": cut_with_an_end,
    "fragment lost": fragment_lost,
    "fragment doubled": fragment_doubled,
    "fragments swapped": fragments_swapped,
    "part zeroed": zeroed,
    "part overwritten": overwritten,
    "nine bytes changed": bytes_changed,
    "one bit flipped": bit_flipped,
}


class WholeImage:
    """
    An image in one transfer syntax, to be damaged again and again.

    *pixels* are 12-bit stored values (rows, columns); JPEG Baseline gets their upper eight bits.
    """

    def __init__(self, pixels: NDArray[np.uint16], syntax: UID, folder: Path) -> None:
        self.syntax = syntax
        stored = (pixels >> 4).astype(np.uint8) if syntax == uid.JPEGBaseline8Bit else pixels
        self._path = write(chest_radiograph(pixels=stored), folder / "whole.dcm", syntax)
        self._ds = dcmread(self._path)
        self._pixel_data = self._ds.PixelData
        self.pixels = self._decoded(self._ds)
        if syntax.is_encapsulated:
            _, self.stream = generate_fragments(self._ds.PixelData)
        elif syntax == uid.DeflatedExplicitVRLittleEndian:
            self._file = self._path.read_bytes()
            self._meta = 144 + int.from_bytes(self._file[140:144], "little")
            self.stream = self._file[self._meta :]
        else:
            self.stream = self._pixel_data

    def outcome(self, stream: bytes) -> Outcome:
        """Read the image with another *stream* in its place."""
        try:
            found = self._decoded(self._with(stream))
        except SgsegError as error:
            return Outcome(True, False, str(error))
        return Outcome(False, np.array_equal(found, self.pixels), "")

    def _with(self, stream: bytes) -> Dataset:
        if self.syntax == uid.DeflatedExplicitVRLittleEndian:
            self._path.write_bytes(self._file[: self._meta] + stream)
            return open_image(self._path)
        self._ds.PixelData = encapsulate([stream]) if self.syntax.is_encapsulated else stream
        return self._ds

    @staticmethod
    def _decoded(ds: Any) -> NDArray[np.uint16]:
        return decode(ds, PixelFormat.of(header_of(ds)))


def _start(stream: bytes) -> int:
    return min(HEADER, len(stream) // 4)


def _part(stream: bytes, rng: Rng) -> tuple[int, int]:
    """Choose 8 bytes to 8 kB, as many small parts as large ones."""
    start = _start(stream)
    length = min(int(2 ** rng.uniform(3, 13)), (len(stream) - start) // 4)
    begin = int(rng.integers(start, len(stream) - length - 2))
    return begin, begin + length


def _fragments(stream: bytes, rng: Rng) -> list[bytes]:
    """Cut into 5 to 24 fragments of even length, the last one shorter."""
    size = len(stream) // int(rng.integers(5, 25)) // 2 * 2
    return [stream[begin : begin + size] for begin in range(0, len(stream), size)]
