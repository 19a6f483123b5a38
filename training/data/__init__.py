"""
The data sets' folders -> items. Captions become PATIENT laterality here, once (captions.py).

Start with layouts.py: `read_split` recognises who laid the folder out, `read_normals` reads normal radiographs.
"""

from training.data.captions import Captions
from training.data.items import DataError, Item, digest_of, load_image, load_mask
from training.data.layouts import (
    NEAR_DUPLICATES,
    read_captioned,
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
    "read_normals",
    "read_split",
    "splits_of",
    "survey_split",
    "warn_of",
]
