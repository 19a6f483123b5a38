"""Good radiographs -> bad ones: turned, mirrored, cropped, shuffled or overexposed; one by one, in numpy."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.preprocess import shrink

Image = NDArray[np.uint8]
Corruption = Callable[[Image, np.random.Generator], Image]


def turned(image: Image, quarter_turns: int, *, mirrored: bool) -> Image:
    """Mirror left to right if *mirrored*, then turn to the left."""
    return np.rot90(image[:, ::-1] if mirrored else image, quarter_turns)


def one_lung(image: Image, rng: np.random.Generator) -> Image:
    """Keep 40 to 55 % of the width, at the left or the right edge."""
    width = round(image.shape[1] * rng.uniform(0.40, 0.55))
    return _squeezed(image[:, :width] if rng.random() < 0.5 else image[:, -width:], image)


def upper_part(image: Image, rng: np.random.Generator) -> Image:
    """Keep the upper 35 to 55 % of the height: neck and apices."""
    return _squeezed(image[: round(image.shape[0] * rng.uniform(0.35, 0.55))], image)


def lower_part(image: Image, rng: np.random.Generator) -> Image:
    """Keep the lower 35 to 55 % of the height: bases and abdomen."""
    return _squeezed(image[-round(image.shape[0] * rng.uniform(0.35, 0.55)) :], image)


def strong_zoom(image: Image, rng: np.random.Generator) -> Image:
    """Keep a window of 35 to 60 % of height and width, at a random place."""
    rows, columns = image.shape
    height, width = (round(side * rng.uniform(0.35, 0.60)) for side in (rows, columns))
    top, left = int(rng.integers(rows - height)), int(rng.integers(columns - width))
    return _squeezed(image[top : top + height, left : left + width], image)


def shuffled(image: Image, rng: np.random.Generator) -> Image:
    """Cut into 2 x 2 to 5 x 5 tiles, and lay them in random order: a radiograph's texture without its anatomy."""
    tiles = int(rng.integers(2, 6))
    side = image.shape[0] // tiles
    order = rng.permutation(tiles * tiles)
    while (order == np.arange(tiles * tiles)).mean() > 0.5:
        order = rng.permutation(tiles * tiles)
    pieces = [
        image[row * side : (row + 1) * side, column * side : (column + 1) * side]
        for row, column in (divmod(int(place), tiles) for place in order)
    ]
    rows = [np.concatenate(pieces[start : start + tiles], axis=1) for start in range(0, tiles * tiles, tiles)]
    return _squeezed(np.concatenate(rows), image)


def burnt_out(image: Image, rng: np.random.Generator) -> Image:
    """Stretch the grey values 4 to 8 times about a level: most pixels become plain black or white."""
    gain, level = rng.uniform(4, 8), np.percentile(image, rng.uniform(10, 90))
    return np.asarray(np.clip((image - level) * gain + 127, 0, 255), dtype=np.uint8)


CROPS: dict[str, Corruption] = {
    "one lung": one_lung,
    "upper part": upper_part,
    "lower part": lower_part,
    "strong zoom": strong_zoom,
}


def _squeezed(part: Image, whole: Image) -> Image:
    """Resize *part* to the square size of *whole*, as `sgseg_dicom.preprocess` does."""
    return np.asarray(shrink(part.astype(np.float32), len(whole)).round(), dtype=np.uint8)
