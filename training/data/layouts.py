"""
The layouts of QaTa-COV19 that are known: of the SGSeg release, of Kaggle and of LViT. `recognise` finds which it is.

| layout | images and masks of a split | captions |
|---|---|---|
| SGSeg | `images/SPLIT/images`, `images/SPLIT/masks` | `prompts/*.json`, refined and original |
| Kaggle | `SPLIT Set/Images`, `SPLIT Set/Ground-truths` | none, or the SGSeg `prompts` beside them |
| LViT | `SPLIT_Folder/img`, `SPLIT_Folder/labelcol` | `SPLIT_Folder/*text*.xlsx`, original |
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from training.data.captions import Captions
from training.data.items import DataError
from training.data.prompts import read_prompts, read_sheet


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """
    The folders and the captions of one split.

    Attributes:
        images, masks: folders.
        captions: by kind and lower-case image name.
        names: of the images that captions name, in the order of the captions. They come first in the split. Every
            other image with a mask belongs to the split too.
        shared: whether the folders hold other splits too. Then only images that a caption names belong to this one.
    """

    images: Path
    masks: Path
    captions: Mapping[Captions, Mapping[str, str | None]]
    names: tuple[str, ...] = ()
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """
    One layout.

    Attributes:
        name: whose layout it is.
        sign: the place of its images below the root; the layout is recognised by it.
        splits: root -> name and folder of each split.
        source: root, folder and name of a split -> its `Source`.
    """

    name: str
    sign: str
    splits: Callable[[Path], dict[str, Path]]
    source: Callable[[Path, Path, str], Source]


def recognise(folder: Path) -> tuple[Layout, Path]:
    """
    Give the layout of *folder*, and its root: *folder* itself, or one or two folders below (downloads add some).

    Raises:
        DataError: no known layout.
    """
    for layout in _LAYOUTS:
        for above in ("", "*/", "*/*/"):
            for found in sorted(folder.glob(above + layout.sign)):
                return layout, found.parents[len(Path(layout.sign).parts) - 1]
    signs = ", ".join(f"{layout.name}: {layout.sign}" for layout in _LAYOUTS)
    raise DataError(f"{folder} has no layout that is known here; looked for {signs}")


def _sgseg_splits(root: Path) -> dict[str, Path]:
    return {path.parent.name: path.parent for path in root.glob("images/*/images")}


def _sgseg_source(root: Path, place: Path, split: str) -> Source:
    captions = read_prompts(root / "prompts", split)
    return Source(
        images=place / "images",
        masks=place / "masks",
        captions=captions,
        names=_captioned(captions),
    )


def _kaggle_splits(root: Path) -> dict[str, Path]:
    """Kaggle has no valid split. If the SGSeg `prompts` lie beside it, they say which images of train are valid."""
    splits = {path.parent.name.split()[0].lower(): path.parent for path in root.glob("* Set/Images")}
    if "train" in splits and read_prompts(root / "prompts", "valid"):
        splits.setdefault("valid", splits["train"])
    return splits


def _kaggle_source(root: Path, place: Path, split: str) -> Source:
    captions = read_prompts(root / "prompts", split)
    names = _captioned(captions)
    return Source(
        images=place / "Images",
        masks=place / "Ground-truths",
        captions=captions,
        names=names,
        shared=bool(names),
    )


def _lvit_splits(root: Path) -> dict[str, Path]:
    """Name LViT's Val_Folder "valid"."""
    names = {"val": "valid"}
    found = {
        path.parent.name.removesuffix("_Folder").lower(): path.parent for path in root.glob("*_Folder/img")
    }
    return {names.get(name, name): place for name, place in found.items()}


def _lvit_source(root: Path, place: Path, split: str) -> Source:
    # Excel writes "~$Train_text.xlsx" while somebody has the sheet open: it is no sheet.
    sheets = sorted(
        path for path in place.glob("*") if re.fullmatch(r"[^.~]*text.*\.xlsx", path.name, re.IGNORECASE)
    )
    captions: dict[Captions, dict[str, str | None]] = {"original": read_sheet(sheets[0])} if sheets else {}
    return Source(images=place / "img", masks=place / "labelcol", captions=captions)


def _captioned(captions: Mapping[Captions, Mapping[str, str | None]]) -> tuple[str, ...]:
    """Give the names of the refined captions, in their order; if there are none, those of the original captions."""
    return tuple(captions.get("refined") or captions.get("original") or ())


_LAYOUTS = (
    Layout("SGSeg", "images/*/images", _sgseg_splits, _sgseg_source),
    Layout("Kaggle", "* Set/Images", _kaggle_splits, _kaggle_source),
    Layout("LViT", "*_Folder/img", _lvit_splits, _lvit_source),
)
