"""Pictures of chests for the system tests: real ones where the data are, drawn ones elsewhere."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from tests.support.builders import synthetic_chest
from tests.support.data_folder import DATA
from training.data import load_image, load_mask, read_split

ARE_REAL = (DATA / "QaTa").is_dir()
"""Whether the pictures are radiographs; drawn chests do not pass the image check, and rightly."""


@cache
def infected_chests(count: int) -> list[NDArray[np.uint8]]:
    """
    Give 8-bit pictures (224, 224) in the standard display, bone bright.

    Of the first valid images of QaTa-COV19 those with the largest infected areas: any model marks them.
    Without the data, drawn chests, on which a model may mark nothing.
    """
    if not ARE_REAL:
        return [(synthetic_chest((224, 224), seed=seed) >> 4).astype(np.uint8) for seed in range(count)]
    items = read_split(DATA / "QaTa", "valid")[: 10 * count]
    items.sort(key=lambda item: int(load_mask(item).sum()))
    return [load_image(item) for item in items[-count:]]
