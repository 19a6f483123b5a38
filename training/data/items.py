"""One image with its mask and caption, and the loading of their pixels."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sgseg_dicom.errors import SgsegError
from sgseg_dicom.model_records import INPUT_SIZE
from sgseg_dicom.zones import ZoneBits


class DataError(SgsegError):
    """A folder lacks something that its layout should have. The message names it and the place."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """
    One training or evaluation image.

    Attributes:
        name: of the file, without its ending.
        image: path of the image. Images of more than 8 bits are stretched to the range of their values.
        mask: path of the mask, 0 and 255 or 0 and 1; None: the radiograph is normal.
        zones: from the caption, in PATIENT laterality; None: no caption names them.
        caption: in PATIENT laterality, otherwise as in the file; "": there is none.
        zones_from_mask: whether the zones were measured from the mask (`training.data.zones_of_masks`).
    """

    name: str
    image: Path
    mask: Path | None
    zones: ZoneBits | None
    caption: str = ""
    zones_from_mask: bool = False

    @property
    def patient(self) -> str:
        """The patient, from the name of the image; an image without a known patient counts as one of its own."""
        return self.name.split("_")[0] if self.name.startswith("sub-") else self.name

    @property
    def known_zones(self) -> ZoneBits:
        """
        The zones, for code that needs them.

        Raises:
            DataError: no caption names them.
        """
        if self.zones is None:
            raise DataError(
                f"{self.name} has no caption that names its zones; name a folder with captions "
                "(`prompts` of the SGSeg release, or LViT's *_text.xlsx), or take them from masks: --zones masks"
            )
        return self.zones


def load_image(item: Item) -> NDArray[np.uint8]:
    """
    Load the pixels, uint8 (224, 224).

    Raises:
        DataError: the file cannot be read.
    """
    return np.asarray(_resized(_eight_bits(item.image), Image.Resampling.BILINEAR))


def load_film(item: Item) -> NDArray[np.uint8]:
    """
    Load the pixels in their own size, uint8 (rows, columns).

    Raises:
        DataError: the file cannot be read.
    """
    return np.asarray(_eight_bits(item.image))


def load_mask(item: Item) -> NDArray[np.bool_]:
    """
    Load the mask, bool (224, 224); all False where the radiograph is normal.

    Raises:
        DataError: the file cannot be read, or its values are neither 0 and 1 nor reach 128.
    """
    if item.mask is None:
        return np.zeros((INPUT_SIZE, INPUT_SIZE), dtype=np.bool_)
    values = np.asarray(_resized(_grey(item.mask), Image.Resampling.NEAREST))
    highest = int(values.max())
    if 1 < highest < 128:
        raise DataError(f"{item.mask} goes from 0 to {highest}; a mask has 0 and 255, or 0 and 1")
    return values == 1 if highest == 1 else values > 127


def digest_of(items: Sequence[Item]) -> str:
    """Give the sha256 over names, zones and bytes of images and masks, in the order of names."""
    digest = hashlib.sha256()
    for item in sorted(items, key=lambda item: item.name):
        digest.update(f"{item.name}|{bits_of(item.zones)}|".encode())
        digest.update(item.image.read_bytes())
        digest.update(item.mask.read_bytes() if item.mask else b"")
    return digest.hexdigest()


def bits_of(zones: ZoneBits | None) -> str:
    """Write zones as "010011", in the order of `sgseg_dicom.zones.ZONES`; "": they are unknown."""
    return "" if zones is None else "".join("01"[zone] for zone in zones)


def _eight_bits(path: Path) -> Image.Image:
    grey = _grey(path)
    return grey if grey.mode == "L" else _stretched(grey)


def _grey(path: Path) -> Image.Image:
    """
    Read an image as 8-bit grey ("L"), or as integers ("I") if it has more bits, which "L" would cut at 255.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with Image.open(path) as image:
            return image.convert("I" if image.mode.startswith("I") else "L")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{path} cannot be read as an image ({type(error).__name__}); fetch it again, or take it out"
        ) from error


def _stretched(grey: Image.Image) -> Image.Image:
    """Turn integers into 8 bits, from the lowest to the highest value: so 12 bits stored in 16 keep their detail."""
    values = np.asarray(grey, dtype=np.float64)
    share = (values - values.min()) / max(1.0, np.ptp(values))
    return Image.fromarray((share * 255).round().astype(np.uint8))


def _resized(grey: Image.Image, resampling: Image.Resampling) -> Image.Image:
    size = (INPUT_SIZE, INPUT_SIZE)
    return grey if grey.size == size else grey.resize(size, resampling)
