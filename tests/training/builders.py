"""A tiny data set, generated: bright blobs in dark lungs, captions that name them; in each known layout."""

import json
import shutil
from pathlib import Path

import numpy as np
from openpyxl import Workbook
from PIL import Image

from sgseg_dicom.zones import ZONES, Laterality, mirrored, report_of, zones_at
from training.augmentation.strength import Strength
from training.data.children import LAST_CHILD

STILL = Strength(degrees=0, log_scale=0, log_aspect=0, shift=0, log_gamma=0, flip=0, erase=0, blur=0, noise=0)
"""Augmentation that changes nothing."""

_ROWS = {"upper": 60, "middle": 110, "lower": 160}


def draw(path: Path, pixels: np.ndarray) -> None:
    """Write an 8-bit grey PNG, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def small_data_set(folder: Path, *, train: int = 6, valid: int = 4, test: int = 0, reports: int = 63) -> Path:
    """
    Write `images` and `prompts` of a generated QaTa-COV19 below *folder*, in the SGSeg layout.

    The images have so many different *reports*; a clustering of few images needs few.
    """
    generator = np.random.default_rng(3)
    refined, originals = {}, {}
    for split, count in (("train", train), ("valid", valid), ("test", test)):
        if not count:
            continue
        captions = [
            _draw_item(folder / "images" / split, f"sub-s{i:05d}_{split}", generator, reports)
            for i in range(count)
        ]
        refined[split] = [{"image_path": name, "caption": caption} for name, caption in captions]
        originals[split] = dict(captions)
    (folder / "prompts").mkdir(parents=True)
    (folder / "prompts" / "annotation.json").write_text(json.dumps(refined))
    (folder / "prompts" / "original_captions.json").write_text(json.dumps(originals))
    return folder


def small_normals(folder: Path, *, train: int = 2, valid: int = 2) -> Path:
    """Write generated normal radiographs; their names are those of adults."""
    generator = np.random.default_rng(4)
    for split, count in (("train", train), ("valid", valid)):
        for i in range(count):
            draw(folder / split / f"normal_{LAST_CHILD + 1 + i}.png", generator.integers(40, 80, (224, 224)))
    return folder


def _draw_item(folder: Path, name: str, generator: np.random.Generator, reports: int) -> tuple[str, str]:
    zones = zones_at(int(generator.integers(1, reports + 1)))
    image, mask = generator.integers(40, 80, (224, 224)), np.zeros((224, 224))
    for zone, present in zip(ZONES, zones, strict=True):
        if present:
            row, column = _ROWS[zone.level.value], 60 if zone.laterality is Laterality.RIGHT else 164
            image[row - 15 : row + 15, column - 15 : column + 15] += 120
            mask[row - 15 : row + 15, column - 15 : column + 15] = 255
    draw(folder / "images" / f"{name}.png", image)
    draw(folder / "masks" / f"mask_{name}.png", mask)
    # The data set's captions name the image's side.
    return f"mask_{name}.png", report_of(mirrored(zones))


def as_kaggle(sgseg: Path, folder: Path) -> Path:
    """Lay train and test of a `small_data_set` out as Kaggle's QaTa-COV19 does, a download's folder around it."""
    for split in ("train", "test"):
        if not (sgseg / "images" / split).is_dir():
            continue
        place = folder / "QaTa-COV19" / "QaTa-COV19-v2" / f"{split.capitalize()} Set"
        shutil.copytree(sgseg / "images" / split / "images", place / "Images")
        shutil.copytree(sgseg / "images" / split / "masks", place / "Ground-truths")
    return folder


def as_lvit(sgseg: Path, folder: Path) -> Path:
    """Lay a `small_data_set` out as LViT does, with its sheets of original captions."""
    originals = json.loads((sgseg / "prompts" / "original_captions.json").read_text())
    for split, name in (("train", "Train"), ("valid", "Val"), ("test", "Test")):
        if split not in originals:
            continue
        place = folder / f"{name}_Folder"
        shutil.copytree(sgseg / "images" / split / "images", place / "img")
        shutil.copytree(sgseg / "images" / split / "masks", place / "labelcol")
        book = Workbook()
        for row in [("Image", "Description"), *originals[split].items()]:
            book.active.append(row)
        book.save(place / f"{name}_text.xlsx")
    return folder
