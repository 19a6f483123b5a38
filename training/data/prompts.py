"""The files of captions: JSON of the SGSeg release, and LViT's sheets. Captions are left as written here."""

import json
from pathlib import Path
from typing import Any

from training.data.captions import Captions
from training.data.items import DataError


def read_prompts(folder: Path, split: str) -> dict[Captions, dict[str, str | None]]:
    """
    Read the captions of a split from `annotation.json` (refined) and `original_captions.json`.

    Returns:
        By kind and lower-case image name; a kind whose file or split is not there is left out.
    """
    captions: dict[Captions, dict[str, str | None]] = {}
    rows = _split_of(folder / "annotation.json", split)
    if rows is not None:
        captions["refined"] = {image_name(row["image_path"]): row["caption"] for row in rows}
    originals = _split_of(folder / "original_captions.json", split)
    if originals is not None:
        captions["original"] = {image_name(name): caption for name, caption in originals.items()}
    return captions


def read_sheet(path: Path) -> dict[str, str | None]:
    """
    Read an Excel sheet with the columns Image and Description (LViT).

    Raises:
        DataError: a column is missing.
    """
    from openpyxl import load_workbook

    book = load_workbook(path, read_only=True)
    try:
        rows = [tuple(row) for row in book.worksheets[0].iter_rows(values_only=True)]
    finally:
        book.close()
    heads = [str(head or "").strip().lower() for head in rows[0]] if rows else []
    if missing := [head for head in ("image", "description") if head not in heads]:
        raise DataError(
            f"{path} has no column {' and '.join(missing)}; LViT's sheets have Image and Description"
        )
    name, caption = heads.index("image"), heads.index("description")
    return {image_name(str(row[name])): row[caption] for row in rows[1:] if row[name]}


def image_name(mask_name: str) -> str:
    """Give the image's name in lower case: "mask_sub-S01.png" -> "sub-s01"."""
    return Path(mask_name).stem.lower().removeprefix("mask_")


def _split_of(path: Path, split: str) -> Any:
    return json.loads(path.read_text()).get(split) if path.is_file() else None
