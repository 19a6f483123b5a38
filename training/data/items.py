"""One image with what is known of it, and its pixels."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sgseg_dicom.errors import SgsegError
from sgseg_dicom.preprocess import INPUT_SIZE
from sgseg_dicom.zones import ZoneBits


class DataError(SgsegError):
    """A folder does not hold what its layout promises; the message says what is missing where."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """
    One training or evaluation image.

    Attributes:
        name: of the file, without ending.
        image: path of the 8-bit grey image.
        mask: path of the 0/255 PNG; None where the radiograph is normal.
        zones: from the caption, in PATIENT laterality; None where no caption says.
        caption: as written, but in PATIENT laterality; "" where there is none.
    """

    name: str
    image: Path
    mask: Path | None
    zones: ZoneBits | None
    caption: str = ""

    @property
    def patient(self) -> str:
        """Who is on the image, as far as the name says; images without a patient stand for themselves."""
        return self.name.split("_")[0] if self.name.startswith("sub-") else self.name

    @property
    def known_zones(self) -> ZoneBits:
        """
        The zones, for what cannot do without them.

        Raises:
            DataError: no caption says.
        """
        if self.zones is None:
            raise DataError(
                f"{self.name} has no caption that names its zones; name a folder with captions "
                "(`prompts` of the SGSeg release, or LViT's *_text.xlsx)"
            )
        return self.zones


def load_image(item: Item) -> NDArray[np.uint8]:
    """Load the pixels, uint8 (224, 224)."""
    return _load(item.image, Image.Resampling.BILINEAR)


def load_mask(item: Item) -> NDArray[np.bool_]:
    """Load the mask, bool (224, 224); all False where the radiograph is normal."""
    if item.mask is None:
        return np.zeros((INPUT_SIZE, INPUT_SIZE), dtype=np.bool_)
    return _load(item.mask, Image.Resampling.NEAREST) > 127


def digest_of(items: Sequence[Item]) -> str:
    """Give the sha256 over names, zones and bytes of images and masks, in the order of names."""
    digest = hashlib.sha256()
    for item in sorted(items, key=lambda item: item.name):
        digest.update(f"{item.name}|{bits_of(item.zones)}|".encode())
        digest.update(item.image.read_bytes())
        digest.update(item.mask.read_bytes() if item.mask else b"")
    return digest.hexdigest()


def bits_of(zones: ZoneBits | None) -> str:
    """Write zones as "010011", in the order of `sgseg_dicom.zones.ZONES`; "" where they are unknown."""
    return "" if zones is None else "".join("01"[zone] for zone in zones)


def _load(path: Path, resampling: Image.Resampling) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        grey = image.convert("L")
        if grey.size != (INPUT_SIZE, INPUT_SIZE):
            grey = grey.resize((INPUT_SIZE, INPUT_SIZE), resampling)
        return np.asarray(grey)
