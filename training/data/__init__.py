"""
The data sets' folders -> items. Captions are turned into PATIENT laterality here, and only here (captions.py).

Read splits.py first: `read_split` reads a split of any known layout (layouts.py), `read_normals` normal radiographs
of adults, `read_children` the children among them. Films of other hospitals: other_sources.py.
"""

from training.data.captions import Captions
from training.data.items import DataError, Item, digest_of, load_image, load_mask
from training.data.splits import (
    NEAR_DUPLICATES,
    read_captioned,
    read_children,
    read_normals,
    read_split,
    splits_of,
    survey_split,
    warn_of,
)

__all__ = [
    "NEAR_DUPLICATES",
    "Captions",
    "DataError",
    "Item",
    "digest_of",
    "load_image",
    "load_mask",
    "read_captioned",
    "read_children",
    "read_normals",
    "read_split",
    "splits_of",
    "survey_split",
    "warn_of",
]
