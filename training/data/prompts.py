"""The files of captions: JSON of the SGSeg release, and LViT's sheets. This module changes no caption."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from training.data.captions import Captions
from training.data.items import DataError


def read_prompts(folder: Path, split: str) -> dict[Captions, dict[str, str | None]]:
    """
    Read the captions of a split from `annotation.json` (refined) and `original_captions.json`.

    Returns:
        Captions by kind and lower-case image name. A kind is left out if its file or the split is not there.

    Raises:
        DataError: a file has not the form of the release.
    """
    captions: dict[Captions, dict[str, str | None]] = {}
    refined = folder / "annotation.json"
    with _as_released(refined, '{split: [{"image_path": ..., "caption": ...}, ...]}'):
        if (rows := _split_of(refined, split)) is not None:
            captions["refined"] = {image_name(row["image_path"]): _text(row["caption"]) for row in rows}
    original = folder / "original_captions.json"
    with _as_released(original, "{split: {image: caption, ...}}"):
        if (texts := _split_of(original, split)) is not None:
            captions["original"] = {image_name(name): _text(caption) for name, caption in texts.items()}
    return captions


def read_sheet(path: Path) -> dict[str, str | None]:
    """
    Read an Excel sheet with the columns Image and Description (LViT).

    Raises:
        DataError: the file is no Excel sheet, or a column is missing.
    """
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(path, read_only=True)
    except (BadZipFile, InvalidFileException, KeyError, ValueError) as error:
        raise DataError(f"{path} is no Excel sheet ({type(error).__name__}); fetch it again") from error
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
    return {image_name(str(row[name])): _text(row[caption]) for row in rows[1:] if row[name]}


def image_name(mask_name: str) -> str:
    """Give the image's name in lower case: "mask_sub-S01.png" -> "sub-s01"."""
    return Path(mask_name).stem.lower().removeprefix("mask_")


def _split_of(path: Path, split: str) -> Any:
    return json.loads(path.read_text("utf-8-sig")).get(split) if path.is_file() else None


def _text(caption: object) -> str | None:
    """Give the caption of a cell; None: the cell has something else than text."""
    return caption if isinstance(caption, str) else None


@contextmanager
def _as_released(path: Path, shape: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}); the SGSeg release has {shape}: fetch it again"
        ) from error
