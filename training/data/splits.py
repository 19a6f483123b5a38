"""A folder of data, in any known layout -> the items of a split; what was left out is counted and logged."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from training.data.captions import Captions, first_readable
from training.data.children import LAST_CHILD, shows_child
from training.data.items import DataError, Item
from training.data.layouts import Source, recognise

log = logging.getLogger(__name__)

NEAR_DUPLICATES = frozenset({"covid_4134", "covid_2077", "covid_3495", "covid_967"})
"""Train images that are nearly the same as an image of another split."""

_IMAGE_ENDINGS = frozenset({".png", ".jpg", ".jpeg"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """
    A split, and what happened when it was read.

    Attributes:
        layout: name of the layout.
        items: what was read.
        dropped: name -> why it is not among the items.
        other_caption: names of items whose wanted caption is missing or cannot be read, so that the caption of the
            other kind was used.
        without_zones: names of items whose zones no caption names.
    """

    layout: str
    items: tuple[Item, ...]
    dropped: Mapping[str, str]
    other_caption: tuple[str, ...]
    without_zones: tuple[str, ...]


def read_split(folder: Path, split: str, *, captions: Captions = "original") -> list[Item]:
    """
    Read a split of QaTa-COV19, in whichever layout *folder* has, without the near-duplicates of train.

    The log warns of everything else that was dropped, and of captions of the other kind or none.

    Args:
        folder: of the data set, or one or two folders above it.
        split: "train", "valid", "test" or whatever the folder has.
        captions: "original" (they fit the masks better) or "refined". Where a caption of this kind is missing or
            cannot be read, that of the other kind is used.

    Raises:
        DataError: no known layout, no such split, no pair of image and mask in it, or two files of the same name.
    """
    survey = survey_split(folder, split, captions=captions)
    warn_of(survey, split, captions=captions)
    return list(survey.items)


def read_captioned(folder: Path, split: str, *, captions: Captions = "original") -> list[Item]:
    """
    Read a split as `read_split` does, without the images whose zones no caption names: for code that needs zones.

    Raises:
        DataError: as `read_split`, or no caption names any zones.
    """
    items = read_split(folder, split, captions=captions)
    captioned = [item for item in items if item.zones is not None]
    if not captioned:
        raise DataError(
            f"no caption names the zones of any image of {split} in {folder}; name a folder with captions "
            "(`prompts` of the SGSeg release, or LViT's *_text.xlsx), or take the zones from masks: --zones masks"
        )
    if len(captioned) < len(items):
        log.warning("%s: %d images without zones are not used", split, len(items) - len(captioned))
    return captioned


def warn_of(survey: Survey, split: str, *, captions: Captions) -> None:
    """Log what a survey dropped or replaced, except near-duplicates."""
    if lost := [name for name in survey.dropped if name not in NEAR_DUPLICATES]:
        log.warning(
            "%s: left out %d files that are no pair of image and mask, for example %s",
            *(split, len(lost), lost[0]),
        )
    if survey.other_caption:
        log.warning(
            "%s: %d of %d images have no %s caption that can be read; the other kind is used",
            *(split, len(survey.other_caption), len(survey.items), captions),
        )
    if survey.without_zones:
        log.warning(
            "%s: no caption names the zones of %d of %d images",
            *(split, len(survey.without_zones), len(survey.items)),
        )


def splits_of(folder: Path) -> list[str]:
    """
    Name the splits of *folder*, in whichever layout.

    Raises:
        DataError: no known layout.
    """
    layout, root = recognise(folder)
    return sorted(layout.splits(root))


def survey_split(folder: Path, split: str, *, captions: Captions = "original") -> Survey:
    """Read a split as `read_split` does; also give what was dropped and replaced."""
    layout, root = recognise(folder)
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
            dropped[name] = "an image of another split is nearly the same"
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
    Read a folder of normal radiographs of adults: no mask, no zone. Children are left out (`training.data.children`).

    Args:
        folder: with a folder of images for each split.
        split: for example "train".
        undivided: if there is no such split, take the images of *folder* itself. For measuring only: train and valid
            would be the same images.

    Raises:
        DataError: no image there, or none of an adult.
    """
    items = _read_normals(folder, split, undivided=undivided)
    adults = [item for item in items if not shows_child(item.name)]
    if not adults:
        raise DataError(
            f"all {len(items)} normal radiographs of {split!r} in {folder} have names of children (normal_1 to "
            f"normal_{LAST_CHILD}); name films of adults, or rename your own films"
        )
    if len(adults) < len(items):
        log.warning("%s: left out %d normal radiographs of children", split, len(items) - len(adults))
    return adults


def read_children(folder: Path, split: str, *, undivided: bool = False) -> list[Item]:
    """
    Read the children that `read_normals` leaves out; there may be none. No mask, no zone; they are not to be judged.

    Raises:
        DataError: no image there.
    """
    items = _read_normals(folder, split, undivided=undivided)
    return [item for item in items if shows_child(item.name)]


def _read_normals(folder: Path, split: str, *, undivided: bool) -> list[Item]:
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


def _names_of(source: Source, pairs: set[str]) -> tuple[str, ...]:
    """Give the names of the split: those that its captions name, then its other pairs of image and mask."""
    others = pairs - set(source.names)
    if source.shared:
        others &= {name for rows in source.captions.values() for name in rows}
    return (*source.names, *sorted(others))


def _left_over(
    source: Source, images: Mapping[str, Path], masks: Mapping[str, Path], taken: set[str]
) -> dict[str, str]:
    """Say why files were not taken: they have another ending, or (in folders of this split alone) are no pair."""
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
    Index images by their names in lower case: the releases write them differently.

    Raises:
        DataError: two files have the same name.
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
    """Say whether a file has the ending of an image. Names that begin with a dot are notes of an operating system."""
    return path.suffix.lower() in _IMAGE_ENDINGS and not path.name.startswith(".")
