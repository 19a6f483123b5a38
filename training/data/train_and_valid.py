"""The two splits of a training, also of data that have no captions or no valid split (Kaggle's own layout)."""

import logging
from pathlib import Path
from typing import Literal

from training.data.captions import Captions
from training.data.folds import Fold
from training.data.items import Item
from training.data.splits import read_captioned, read_split, splits_of
from training.data.zones_of_masks import with_zones_of_masks

log = logging.getLogger(__name__)

ZonesFrom = Literal["captions", "masks"]
"""What says the zones of an image: its caption alone; or, where no caption does, its mask."""

VALID_OF_TRAIN = Fold(0, 5)
"""The part of train that is valid where the data have no valid split: a fifth, by patient."""


def read_train_and_valid(
    folder: Path, *, captions: Captions, zones: ZonesFrom = "captions"
) -> tuple[list[Item], list[Item]]:
    """
    Read train and valid of *folder*, with zones.

    Args:
        folder: of the data set.
        captions: the kind that is taken where there are both.
        zones: "captions": images that none describes are left out. "masks": these images get the zones of their
            masks (`training.data.zones_of_masks`).

    Raises:
        DataError: no known layout, no such split, or no image with zones.
    """
    train = _read(folder, "train", captions, zones)
    if "valid" in splits_of(folder):
        return train, _read(folder, "valid", captions, zones)
    log.warning(
        "the data have no valid split: every fifth patient of train is valid, and is not learned from"
    )
    return VALID_OF_TRAIN.without(train), [item for item in train if VALID_OF_TRAIN.holds(item)]


def _read(folder: Path, split: str, captions: Captions, zones: ZonesFrom) -> list[Item]:
    if zones == "captions":
        return read_captioned(folder, split, captions=captions)
    items = with_zones_of_masks(read_split(folder, split, captions=captions))
    if measured := sum(item.zones_from_mask for item in items):
        log.warning("%s: the zones of %d of %d images come from their masks", split, measured, len(items))
    return items
