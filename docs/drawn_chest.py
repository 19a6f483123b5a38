"""A chest radiograph of nobody: drawn from formulas, so that a picture in the documents shows no patient."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SHAPE = (1024, 896)
"""Rows and Columns. The columns are a multiple of 8: the SEG is then BINARY, which every viewer knows."""

WORDS = "DRAWN, NOT A PATIENT"
"""Stands in every drawing, so that no copy of it is taken for a radiograph."""

_BITS = 12
_RIGHT, _LEFT = (0.29, 1), (0.715, -1)
"""The patient's lungs: the middle of each, as a share of the width, and the direction of the spine from there."""

Picture = NDArray[np.float64]


class Opacity(NamedTuple):
    """A cloud in a lung: where its middle lies and how far it reaches (shares of width and height), how bright."""

    x: float
    y: float
    across: float
    down: float
    strength: float


def drawn_chest(
    opacities: Sequence[Opacity] = (), *, words: str = WORDS, seed: int = 1
) -> NDArray[np.uint16]:
    """
    Draw a frontal chest in the standard display, bone bright: 12-bit stored values (1024, 896).

    *words* stand over the belly, where no lung is; *seed* is of the grain.
    """
    y, x = np.mgrid[0 : 1 : SHAPE[0] * 1j, 0 : 1 : SHAPE[1] * 1j]
    lungs = np.maximum(*(_lung(x, y, middle, base) for (middle, _), base in ((_RIGHT, 0.74), (_LEFT, 0.76))))
    picture = 0.58 * _body(x, y) - 0.40 * lungs
    picture += _spine(x, y) + _heart(x, y, lungs)
    for lung in (_RIGHT, _LEFT):
        picture += _ribs(x, y, *lung) + _clavicle(x, y, *lung)
    for one in opacities:
        picture += one.strength * _ellipse(x, y, (one.x, one.y), (one.across, one.down), soft=0.30) * lungs
    picture += _grain(np.random.default_rng(seed))
    return np.round(np.clip(_with_words(picture, words), 0, 1) * (2**_BITS - 1)).astype(np.uint16)


def _ellipse(
    x: Picture, y: Picture, centre: tuple[float, float], half: tuple[float, float], *, soft: float
) -> Picture:
    """Give 1 within an ellipse and 0 without; *soft* is the width of its edge, as a share of its size."""
    distance = np.hypot((x - centre[0]) / half[0], (y - centre[1]) / half[1])
    return _below(distance, 1, soft)


def _below(value: Picture, limit: float | Picture, soft: float) -> Picture:
    """Give 1 where *value* is below the limit and 0 above it, with an edge about so wide."""
    return 1 / (1 + np.exp(np.clip((value - limit) / soft, -60, 60)))


def _body(x: Picture, y: Picture) -> Picture:
    off_centre = np.abs(x - 0.5)
    shoulders = 0.06 + 0.40 * off_centre**1.5
    trunk = _below(off_centre, 0.455 + 0.06 * _below(y, 0.30, 0.05), 0.010)
    neck = _ellipse(x, y, (0.5, 0.0), (0.10, 0.19), soft=0.08)
    return np.maximum(_below(shoulders, y, 0.012) * trunk, neck)


def _lung(x: Picture, y: Picture, middle: float, base: float) -> Picture:
    """Draw a lung: round at the top, wide below, with the dome of the diaphragm under it."""
    down = np.clip((y - 0.13) / (base - 0.13), 0, 1)
    half_width = 0.165 * np.clip(1 - (1 - down) ** 2.2, 0, 1) ** 0.45
    centre = middle + 0.02 * (down - 0.5) * np.sign(middle - 0.5)
    dome = base + 0.09 * ((x - middle) / 0.165) ** 2
    return _below(0.13, y, 0.010) * _below(np.abs(x - centre), half_width, 0.012) * _below(y, dome, 0.010)


def _spine(x: Picture, y: Picture) -> Picture:
    column = _ellipse(x, y, (0.5, 0.5), (0.045, 0.62), soft=0.15)
    vertebrae = sum(np.exp(-(((y - 0.10 - 0.06 * number) / 0.016) ** 2)) for number in range(14))
    return (0.16 + 0.03 * vertebrae) * column


def _heart(x: Picture, y: Picture, lungs: Picture) -> Picture:
    heart = _ellipse(x, y, (0.57, 0.60), (0.135, 0.14), soft=0.07)
    vessels = _ellipse(x, y, (0.545, 0.40), (0.06, 0.12), soft=0.10)
    return 0.30 * np.maximum(heart, vessels) * (0.35 + 0.65 * lungs)


def _ribs(x: Picture, y: Picture, middle: float, inwards: int) -> Picture:
    outwards = (middle - x) * inwards
    within = _below(np.abs(outwards), 0.185, 0.010) * _below(y, 0.86, 0.02)
    arcs = (
        0.13 + 0.068 * number + 0.30 * (outwards + 0.16) ** 2 + 0.06 * np.maximum(outwards, 0)
        for number in range(10)
    )
    return 0.055 * within * sum(np.exp(-(((y - arc) / 0.010) ** 2)) for arc in arcs)


def _clavicle(x: Picture, y: Picture, middle: float, inwards: int) -> Picture:
    outwards = (middle - x) * inwards
    line = 0.172 - 0.12 * outwards + 0.15 * outwards**2
    return 0.10 * np.exp(-(((y - line) / 0.012) ** 2)) * _below(np.abs(outwards + 0.015), 0.165, 0.015)


def _grain(rng: np.random.Generator) -> Picture:
    """Give soft clouds of about 40 pixels and fine noise: real images have both."""
    rows, columns = SHAPE
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None] * rows, np.fft.rfftfreq(columns)[None] * columns)
    clouds = np.fft.irfft2(np.fft.rfft2(rng.normal(size=SHAPE)) / (1 + (frequency / 25) ** 1.6), s=SHAPE)
    return 0.008 * clouds / clouds.std() + rng.normal(0, 0.004, SHAPE)


def _with_words(picture: Picture, words: str) -> Picture:
    rows, columns = SHAPE
    layer = Image.new("L", (columns, rows))
    ImageDraw.Draw(layer).text(
        (columns // 2, 0.95 * rows), words, font=ImageFont.load_default(44), fill=255, anchor="mm"
    )
    return picture + 0.30 * np.asarray(layer, dtype=np.float64) / 255
