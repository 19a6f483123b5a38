"""
A PNG or JPEG file -> grey values, or a clear word why not.

A picture is measured before it is decoded: a file of some kilobytes can claim gigabytes of pixels. What a radiograph
cannot be (colour, transparent parts, mirrored by a note in the file) is refused, never guessed.
"""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from sgseg_dicom.errors import StorageUnavailable, UndecodablePixels, UnsupportedObject
from sgseg_dicom.reading.pixel_data import LARGEST

FORMATS = ("PNG", "JPEG")
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_ORIENTATION = 0x0112
"""Of the Exif tags."""
_UNMIRRORED = frozenset({1, 3, 6, 8})
"""Exif orientations that turn a picture; the others mirror it."""
_GREY = 3
"""Steps of 256 by which red, green and blue of a grey picture may differ: JPEG rounds them."""

_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, MemoryError)
"""What Pillow raises for a damaged file."""


class Picture(NamedTuple):
    """
    Grey values.

    Attributes:
        codes: uint16 (rows, columns), as the picture is displayed.
        bits: 8 or 16; what a value can have.
    """

    codes: NDArray[np.uint16]
    bits: int


def is_picture(path: Path) -> bool:
    """
    Say whether a file begins as PNG or JPEG does; its name says nothing.

    Raises:
        StorageUnavailable: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(8).startswith(_SIGNATURES)
    except OSError as error:
        raise StorageUnavailable(f"{path} cannot be read ({error.strerror})") from error


def read_picture(path: Path, *, require_room: Callable[[int], None] | None = None) -> Picture:
    """
    Decode a grey PNG or JPEG of 8 or 16 bits as it is displayed: an Exif note that it is turned is obeyed.

    Args:
        path: the file.
        require_room: called with the number of pixels before they are decoded; it may raise an SgsegError.

    Raises:
        UnsupportedObject: colour, transparent parts, two greys alone, several pictures, or mirrored by an Exif note.
        UndecodablePixels: cut off or damaged, or too large.
    """
    try:
        image = Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise _too_large("too many pixels") from error
    except UnidentifiedImageError as error:
        raise UndecodablePixels("the picture's beginning is damaged; export it again") from error
    except _DAMAGED as error:
        raise UndecodablePixels(f"the picture is damaged ({error}); export it again") from error
    with image:
        if image.width * image.height > LARGEST:
            raise _too_large(f"{image.height} x {image.width} pixels")
        if require_room is not None:
            require_room(image.width * image.height)
        try:  # Pillow decodes a whole PNG to look for its Exif note
            turned = _require_kind(image)
            image.load()
            return grey_of(np.asarray(_plain(ImageOps.exif_transpose(image) if turned else image)))
        except _DAMAGED as error:
            raise UndecodablePixels(
                f"the picture is cut off or damaged ({error}); export it again"
            ) from error


def _too_large(what: str) -> UndecodablePixels:
    return UndecodablePixels(f"the picture has {what}; at most {LARGEST} are decoded")


def _require_kind(image: Image.Image) -> bool:
    """
    Refuse what no radiograph is; say whether the picture is stored turned.

    Raises:
        UnsupportedObject: see `read_picture`.
    """
    if image.mode == "CMYK":
        raise UnsupportedObject("the picture is in CMYK, colours for printing; export it as greyscale")
    if image.mode == "1":
        raise UnsupportedObject("the picture has black and white alone; export it with 8 or 16 bits of grey")
    if getattr(image, "n_frames", 1) > 1:
        raise UnsupportedObject("the file holds several pictures; give one film a file")
    orientation = image.getexif().get(_ORIENTATION, 1)
    if orientation in range(2, 9) and orientation not in _UNMIRRORED:
        raise UnsupportedObject(
            "an Exif note says that the picture is stored mirrored, and not every program obeys it: nobody knows "
            "which side is right; export it as it should be seen"
        )
    return orientation in _UNMIRRORED and orientation != 1


def _plain(image: Image.Image) -> Image.Image:
    """
    Give the picture without palette and transparency.

    Raises:
        UnsupportedObject: a part of it is transparent.
    """
    if "A" not in image.mode and "transparency" not in image.info:
        return image.convert("RGB") if image.mode == "P" else image
    seen = image.convert("RGBA")
    if np.asarray(seen.getchannel("A")).min() < 255:
        raise UnsupportedObject(
            "parts of the picture are transparent: what is seen there depends on the program; export it without"
        )
    return seen.convert("RGB")


def grey_of(values: NDArray[np.generic]) -> Picture:
    """
    Take grey values as they are, and those of a grey picture in colours.

    Args:
        values: (rows, columns), or (rows, columns, 3) where all three are the same; whole numbers from 0 to 65535
            (uint8 counts as 8 bits), or finite floats, which are spread over 16 bits.

    Raises:
        UnsupportedObject: another shape or kind of numbers, or colour.
    """
    if values.ndim == 3 and values.shape[2] == 3:
        colours = values.astype(np.int32) if values.dtype.kind in "iu" else values
        if values.dtype.kind not in "iuf" or np.ptp(colours, axis=2).max(initial=0) > _GREY:
            raise UnsupportedObject("the picture is in colour; a radiograph is grey: export it as greyscale")
        values = values[..., 1]
    if values.ndim != 2 or not values.size:
        raise UnsupportedObject(f"an array of shape {values.shape}; give (rows, columns)")
    if values.dtype == np.uint8:
        return Picture(values.astype(np.uint16), 8)
    if values.dtype.kind in "iu" and values.min() >= 0 and values.max() <= np.iinfo(np.uint16).max:
        return Picture(values.astype(np.uint16), 16)
    if values.dtype.kind == "f" and np.isfinite(values).all():
        return Picture(_spread(values.astype(np.float64)), 16)
    raise UnsupportedObject("give grey values from 0 to 65535, or finite floats")


def _spread(values: NDArray[np.float64]) -> NDArray[np.uint16]:
    low, high = values.min(), values.max()
    share = (values - low) / (high - low) if high > low else np.zeros_like(values)
    return np.rint(share * np.iinfo(np.uint16).max).astype(np.uint16)
