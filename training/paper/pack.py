"""A small copy of the data, to be sent to a GPU: JPEG images, masks of one bit, captions."""

import json
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from sgseg_dicom.zones import mirrored, report_of
from training.data import Item, load_image, load_mask
from training.progress import progress

QUALITY = 80
"""Of the JPEG files. All images and masks of train and valid then take 49 MB."""


def pack(splits: dict[str, list[Item]], out: Path) -> int:
    """
    Write *splits* to folder *out* in the layout of the SGSeg release; give the bytes of all files.

    Images and masks have the 224 pixels of the networks. JPEG changes the images a little: figures of packed data are
    to be compared with figures of packed data only. The captions are our own sentence of the same zones.
    """
    captions: dict[str, dict[str, str]] = {}
    for split, items in splits.items():
        images, masks = (out / "images" / split / kind for kind in ("images", "masks"))
        images.mkdir(parents=True, exist_ok=True)
        masks.mkdir(exist_ok=True)
        captions[split] = {}
        for item in progress(items, f"packing {split}"):
            Image.fromarray(load_image(item)).save(images / f"{item.name}.jpg", quality=QUALITY)
            Image.fromarray(load_mask(item)).save(masks / f"mask_{item.name}.png", optimize=True)
            captions[split][f"mask_{item.name}.png"] = _words(item)
    (out / "prompts").mkdir(exist_ok=True)
    (out / "prompts" / "original_captions.json").write_text(json.dumps(captions))
    return sum(file.stat().st_size for file in _files(out))


def _words(item: Item) -> str:
    """Give the caption as a file of the data has it: in the image's sides."""
    return report_of(mirrored(item.known_zones))


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
