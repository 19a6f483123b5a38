"""
The data sets' folders -> items. Captions become PATIENT laterality here, once.

Layout read: the SGSeg release of QaTa-COV19 (`images/SPLIT/{images,masks}`, `prompts/*.json`), and a folder of
normal radiographs (`SPLIT/*.png`). The captions name the side as seen on the image, which is the other lung of
the patient (measured: of 943 captions that say "left" only, 99.2 % of the mask lies in the image's left half).
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sgseg_dicom.errors import SgsegError
from sgseg_dicom.preprocess import INPUT_SIZE
from sgseg_dicom.zones import UnknownReport, ZoneBits, mirrored, zones_of

Captions = Literal["original", "refined"]

NEAR_DUPLICATES = frozenset({"covid_4134", "covid_2077", "covid_3495", "covid_967"})
"""Train images that stand again, nearly the same, in another split."""


class DataError(SgsegError):
    """A folder does not hold what its layout promises; the message says what is missing where."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """
    One training or evaluation image.

    Attributes:
        name: of the file, without ending.
        image: path of the 8-bit grey PNG.
        mask: path of the 0/255 PNG; None where the radiograph is normal.
        zones: from the caption, in PATIENT laterality.
        caption: as written, but in PATIENT laterality; "" where there is none.
    """

    name: str
    image: Path
    mask: Path | None
    zones: ZoneBits
    caption: str = ""

    @property
    def patient(self) -> str:
        """Who is on the image, as far as the name says; images without a patient stand for themselves."""
        return self.name.split("_")[0] if self.name.startswith("sub-") else self.name


def read_qata(folder: Path, split: str, *, captions: Captions = "original") -> list[Item]:
    """
    Read a split of QaTa-COV19 in the SGSeg layout, near-duplicates dropped from train.

    Args:
        folder: with `images` and `prompts`.
        split: for example "train".
        captions: "original" (they fit the masks better) with the refined one where it is missing or cannot
            be read, or "refined".

    Raises:
        DataError: no such split, or a file is missing.
    """
    refined = {row["image_path"]: row["caption"] for row in _prompts(folder, "annotation.json", split)}
    wanted = dict(refined)
    if captions == "original":
        originals = _prompts(folder, "original_captions.json", split)
        wanted |= {name: originals[name] for name in refined if originals.get(name)}
    items = [
        _qata_item(folder / "images" / split, mask_name, wanted[mask_name], refined[mask_name])
        for mask_name in refined
    ]
    return [item for item in items if split != "train" or item.name not in NEAR_DUPLICATES]


def read_normals(folder: Path, split: str) -> list[Item]:
    """
    Read a folder of normal radiographs: no mask, no zone.

    Raises:
        DataError: no image there.
    """
    paths = sorted((folder / split).glob("*.png"))
    if not paths:
        raise DataError(
            f"no PNG in {folder / split}; name the folder that holds the splits of normal radiographs"
        )
    return [Item(name=path.stem, image=path, mask=None, zones=(False,) * 6) for path in paths]


def load_image(item: Item) -> NDArray[np.uint8]:
    """Load the pixels, uint8 (224, 224)."""
    return _load(item.image)


def load_mask(item: Item) -> NDArray[np.bool_]:
    """Load the mask, bool (224, 224); all False where the radiograph is normal."""
    if item.mask is None:
        return np.zeros((INPUT_SIZE, INPUT_SIZE), dtype=np.bool_)
    return _load(item.mask) > 127


def digest_of(items: Sequence[Item]) -> str:
    """Give the sha256 over names, zones and bytes of images and masks, in the order of names."""
    digest = hashlib.sha256()
    for item in sorted(items, key=lambda item: item.name):
        digest.update(f"{item.name}|{''.join('01'[zone] for zone in item.zones)}|".encode())
        digest.update(item.image.read_bytes())
        digest.update(item.mask.read_bytes() if item.mask else b"")
    return digest.hexdigest()


def _qata_item(folder: Path, mask_name: str, caption: str, fallback: str) -> Item:
    name = Path(mask_name).stem.removeprefix("mask_")
    image, mask = folder / "images" / f"{name}.png", folder / "masks" / mask_name
    for path in (image, mask):
        if not path.is_file():
            raise DataError(f"{path} is missing, but a caption names it")
    caption, zones = _of_patient(caption, fallback)
    return Item(name=name, image=image, mask=mask, zones=zones, caption=caption)


def _of_patient(caption: str, fallback: str) -> tuple[str, ZoneBits]:
    """Turn a caption into patient laterality; one that cannot be read gives way to *fallback*."""
    try:
        zones = zones_of(caption)
    except UnknownReport:
        caption, zones = fallback, zones_of(fallback)
    other = {"left": "right", "right": "left"}
    swapped = re.sub(r"\b(left|right)\b", lambda side: other[side[0].lower()], caption, flags=re.IGNORECASE)
    return swapped, mirrored(zones)


def _prompts(folder: Path, name: str, split: str) -> Any:
    path = folder / "prompts" / name
    if not path.is_file():
        raise DataError(f"{path} is missing; the SGSeg layout has `images` and `prompts` below {folder}")
    splits = json.loads(path.read_text())
    if split not in splits:
        raise DataError(f"{path} has no split {split!r}; it has {sorted(splits)}")
    return splits[split]


def _load(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        grey = image.convert("L")
        if grey.size != (INPUT_SIZE, INPUT_SIZE):
            kind = Image.Resampling.NEAREST if path.name.startswith("mask_") else Image.Resampling.BILINEAR
            grey = grey.resize((INPUT_SIZE, INPUT_SIZE), kind)
        return np.asarray(grey)
