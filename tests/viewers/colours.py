"""Where a picture has the colour of a lung's region."""

import numpy as np
from numpy.typing import NDArray

_LEAST_CHROMA = 25
"""Of 255: less is a grey, within the rounding of a viewer."""


def painted(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    """
    Tell where *picture* (..., 3) is *colour* blended over some grey.

    Blending over a grey keeps what is left of a colour without its grey, up to a factor.
    """
    rest = picture - picture.min(axis=-1, keepdims=True).astype(np.float64)
    chroma = rest.max(axis=-1, keepdims=True)
    wanted = np.array(colour, dtype=np.float64) - min(colour)
    alike = np.abs(rest / np.maximum(chroma, 1) - wanted / wanted.max()).max(axis=-1) < 0.2
    return alike & (chroma[..., 0] >= _LEAST_CHROMA)


def grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Give the mask with the eight neighbours of its pixels."""
    rows, columns = mask.shape
    padded = np.pad(mask, 1)
    return np.any([padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)], axis=0)
