"""
Who laid the folder out? The SGSeg release, Kaggle or LViT: `read_split` looks, and reads any of them.

| layout | images and masks of a split | captions |
|---|---|---|
| SGSeg | `images/SPLIT/images`, `images/SPLIT/masks` | `prompts/*.json`, refined and original |
| Kaggle | `SPLIT Set/Images`, `SPLIT Set/Ground-truths` | none, or the SGSeg `prompts` beside them |
| LViT | `SPLIT_Folder/img`, `SPLIT_Folder/labelcol` | `SPLIT_Folder/*text*.xlsx`, original |
"""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from training.data.captions import Captions, first_readable
from training.data.items import DataError, Item
from training.data.prompts import read_prompts, read_sheet

log = logging.getLogger(__name__)

NEAR_DUPLICATES = frozenset({"covid_4134", "covid_2077", "covid_3495", "covid_967"})
"""Train images that stand again, nearly the same, in another split."""

_IMAGE_ENDINGS = frozenset({".png", ".jpg", ".jpeg"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """
    A split, and what became of it at reading.

    Attributes:
        layout: whose.
        items: what was read.
        dropped: name -> why it is not among the items.
        other_caption: names whose wanted caption is missing or cannot be read, so that the other one speaks.
        without_zones: names whose zones no caption tells.
    """

    layout: str
    items: tuple[Item, ...]
    dropped: Mapping[str, str]
    other_caption: tuple[str, ...]
    without_zones: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Source:
    """
    Where a split lies.

    Captions go by kind and lower-case image name. `names` come first, as the captions have them. Whatever else has an
    image and a mask belongs to the split too; where its folders are `shared` with other splits, only if a caption
    names it.
    """

    images: Path
    masks: Path
    captions: Mapping[Captions, Mapping[str, str | None]]
    names: tuple[str, ...] = ()
    shared: bool = False


def read_split(folder: Path, split: str, *, captions: Captions = "original") -> list[Item]:
    """
    Read a split of QaTa-COV19 in whichever layout *folder* has, near-duplicates dropped from train.

    Args:
        folder: of the data set, or one or two above it.
        split: "train", "valid", "test" or whatever the folder has.
        captions: "original" (they fit the masks better) or "refined"; where the one is missing or cannot be
            read the other one speaks.

    What is dropped, but for near-duplicates, is warned of, and what other captions or none say.

    Raises:
        DataError: no known layout, no such split, no pair of image and mask in it, or two files of one name.
    """
    survey = survey_split(folder, split, captions=captions)
    warn_of(survey, split, captions=captions)
    return list(survey.items)


def read_captioned(folder: Path, split: str, *, captions: Captions = "original") -> list[Item]:
    """
    As `read_split`, without the images whose zones no caption tells: for what learns from zones.

    Raises:
        DataError: as `read_split`, or no caption tells any zones.
    """
    items = read_split(folder, split, captions=captions)
    captioned = [item for item in items if item.zones is not None]
    if not captioned:
        raise DataError(
            f"no caption tells the zones of any image of {split} in {folder}; name a folder with captions "
            "(`prompts` of the SGSeg release, or LViT's *_text.xlsx)"
        )
    if len(captioned) < len(items):
        log.warning("%s: %d images without zones are not used", split, len(items) - len(captioned))
    return captioned


def warn_of(survey: Survey, split: str, *, captions: Captions) -> None:
    """Say in the log what a survey did not find as it was wanted, near-duplicates apart."""
    if lost := [name for name in survey.dropped if name not in NEAR_DUPLICATES]:
        log.warning(
            "%s: left out %d that are no pair of image and mask, %s for one", split, len(lost), lost[0]
        )
    if survey.other_caption:
        log.warning(
            "%s: %d of %d images have no %s caption that can be read; the other one speaks",
            *(split, len(survey.other_caption), len(survey.items), captions),
        )
    if survey.without_zones:
        log.warning(
            "%s: no caption tells the zones of %d of %d images",
            *(split, len(survey.without_zones), len(survey.items)),
        )


def splits_of(folder: Path) -> list[str]:
    """
    Name the splits that *folder* has, in whichever layout.

    Raises:
        DataError: no known layout.
    """
    layout, root = _recognise(folder)
    return sorted(layout.splits(root))


def survey_split(folder: Path, split: str, *, captions: Captions = "original") -> Survey:
    """As `read_split`, with what was dropped and replaced."""
    layout, root = _recognise(folder)
    splits = layout.splits(root)
    if split not in splits:
        raise DataError(f"{root} has no split {split!r}; it has {sorted(splits)}")
    source = layout.source(root, splits[split], split)
    images, masks = _by_name(source.images), _by_name(source.masks)
    order: tuple[Captions, ...] = (
        ("original", "refined") if captions == "original" else ("refined", "original")
    )
    items, dropped, other = [], {}, []
    for name in _names_of(source, set(images) & set(masks)):
        if split == "train" and name in NEAR_DUPLICATES:
            dropped[name] = "stands again, nearly the same, in another split"
            continue
        if lacking := [what for what, there in (("image", images), ("mask", masks)) if name not in there]:
            dropped[name] = f"it has no {' and no '.join(lacking)}, though a caption names it"
            continue
        wanted, second = (source.captions.get(kind, {}).get(name) for kind in order)
        caption, zones = first_readable((wanted, second)) or ("", None)
        if zones is not None and first_readable((wanted,)) is None:
            other.append(name)
        items.append(Item(name=name, image=images[name], mask=masks[name], zones=zones, caption=caption))
    if not items:
        raise DataError(
            f"{source.masks} has no mask of an image in {source.images}; name a folder whose split {split!r} "
            "holds images and masks"
        )
    return Survey(
        layout=layout.name,
        items=tuple(items),
        dropped=_left_over(source, images, masks, {item.name for item in items}) | dropped,
        other_caption=tuple(other),
        without_zones=tuple(item.name for item in items if item.zones is None),
    )


def read_normals(folder: Path, split: str, *, undivided: bool = False) -> list[Item]:
    """
    Read a folder of normal radiographs: no mask, no zone.

    Args:
        folder: with a folder of images for each split.
        split: for example "train".
        undivided: where there is no such split, take the images of *folder* itself; for measuring only, since
            train and valid would then be the same.

    Raises:
        DataError: no image there.
    """
    places = [folder / split, folder / split / "images"]
    if undivided:
        places += [folder, folder / "images"]
    for place in places:
        if paths := sorted(path for path in place.glob("*") if _is_image(path)):
            return [Item(name=path.stem, image=path, mask=None, zones=(False,) * 6) for path in paths]
    there = sorted(path.name for path in folder.glob("*") if path.is_dir())
    cure = (
        f"it has {there}; name one of these"
        if undivided and there
        else "name the folder that holds the splits"
    )
    raise DataError(f"{folder} has no normal radiographs of split {split!r}, nor images itself: {cure}")


def _sgseg_splits(root: Path) -> dict[str, Path]:
    return {path.parent.name: path.parent for path in root.glob("images/*/images")}


def _sgseg_source(root: Path, place: Path, split: str) -> _Source:
    captions = read_prompts(root / "prompts", split)
    return _Source(
        images=place / "images",
        masks=place / "masks",
        captions=captions,
        names=_captioned(captions),
    )


def _kaggle_splits(root: Path) -> dict[str, Path]:
    """Kaggle has no valid split; with the SGSeg `prompts` beside it, they say which images of train are."""
    splits = {path.parent.name.split()[0].lower(): path.parent for path in root.glob("* Set/Images")}
    if "train" in splits and read_prompts(root / "prompts", "valid"):
        splits.setdefault("valid", splits["train"])
    return splits


def _kaggle_source(root: Path, place: Path, split: str) -> _Source:
    captions = read_prompts(root / "prompts", split)
    names = _captioned(captions)
    return _Source(
        images=place / "Images",
        masks=place / "Ground-truths",
        captions=captions,
        names=names,
        shared=bool(names),
    )


def _lvit_splits(root: Path) -> dict[str, Path]:
    """Give LViT's Val_Folder as "valid"."""
    names = {"val": "valid"}
    found = {
        path.parent.name.removesuffix("_Folder").lower(): path.parent for path in root.glob("*_Folder/img")
    }
    return {names.get(name, name): place for name, place in found.items()}


def _lvit_source(root: Path, place: Path, split: str) -> _Source:
    # Not "~$Train_text.xlsx", which lies there while somebody has it open.
    sheets = sorted(
        path for path in place.glob("*") if re.fullmatch(r"[^.~]*text.*\.xlsx", path.name, re.IGNORECASE)
    )
    captions: dict[Captions, dict[str, str | None]] = {"original": read_sheet(sheets[0])} if sheets else {}
    return _Source(images=place / "img", masks=place / "labelcol", captions=captions)


@dataclass(frozen=True, slots=True)
class _Layout:
    """`sign` is where its images stand below the root; `source` asks root, folder of the split, and split."""

    name: str
    sign: str
    splits: Callable[[Path], dict[str, Path]]
    source: Callable[[Path, Path, str], _Source]


_LAYOUTS = (
    _Layout("SGSeg", "images/*/images", _sgseg_splits, _sgseg_source),
    _Layout("Kaggle", "* Set/Images", _kaggle_splits, _kaggle_source),
    _Layout("LViT", "*_Folder/img", _lvit_splits, _lvit_source),
)


def _recognise(folder: Path) -> tuple[_Layout, Path]:
    """Give the layout and its root, which may lie one or two folders below: downloads have folders of their own."""
    for layout in _LAYOUTS:
        for above in ("", "*/", "*/*/"):
            for found in sorted(folder.glob(above + layout.sign)):
                return layout, found.parents[len(Path(layout.sign).parts) - 1]
    signs = ", ".join(f"{layout.name}: {layout.sign}" for layout in _LAYOUTS)
    raise DataError(f"{folder} has no layout that is known here; looked for {signs}")


def _captioned(captions: Mapping[Captions, Mapping[str, str | None]]) -> tuple[str, ...]:
    """Give the names of the refined captions, in their order; without those, of the original ones."""
    return tuple(captions.get("refined") or captions.get("original") or ())


def _names_of(source: _Source, pairs: set[str]) -> tuple[str, ...]:
    """Give the names of the split: those that it must have, then its other pairs of image and mask."""
    others = pairs - set(source.names)
    if source.shared:
        others &= {name for rows in source.captions.values() for name in rows}
    return (*source.names, *sorted(others))


def _left_over(
    source: _Source, images: Mapping[str, Path], masks: Mapping[str, Path], taken: set[str]
) -> dict[str, str]:
    """Say why files are not taken: other endings, and, in folders that are this split's own, no pair."""
    strange = {
        path.name: f"it is none of {', '.join(sorted(_IMAGE_ENDINGS))}"
        for folder in (source.images, source.masks)
        for path in sorted(folder.glob("*"))
        if path.is_file() and not path.name.startswith(".") and not _is_image(path)
    }
    if source.shared:
        return strange
    left = (set(images) | set(masks)) - taken - NEAR_DUPLICATES
    single = {name: "it has no mask" if name in images else "it has no image" for name in sorted(left)}
    return single | strange


def _by_name(folder: Path) -> dict[str, Path]:
    """
    Index images by their names in lower case: the releases do not agree about it.

    Raises:
        DataError: two files have one name.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*")):
        name = path.stem.lower().removeprefix("mask_")
        if not _is_image(path):
            continue
        if name in found:
            raise DataError(f"{found[name]} and {path.name} have one name; take the wrong one out")
        found[name] = path
    return found


def _is_image(path: Path) -> bool:
    """Say whether it ends as an image does; files that begin with a dot are notes of an operating system."""
    return path.suffix.lower() in _IMAGE_ENDINGS and not path.name.startswith(".")
