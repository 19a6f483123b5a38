"""The radiograph as it stands in a picture, with its regions: nothing but their colour is drawn on it."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from sgseg_dicom.picture_style import PictureStyle
from sgseg_dicom.records import LungRegion, Radiograph
from sgseg_dicom.results.lung_colours import LUNG_COLOURS
from sgseg_dicom.row_blocks import row_blocks

LINE_WIDTH = 3.0
"""Of an outline, in pixels of the picture."""

_HALO_WIDTH, _HALO = 5.0, 0.45
"""A darker line under the outline, and its strength: on bright bone a thin coloured line alone is hard to see."""

_TINT = 0.28
_LEAST_BLUR = 3.0
"""Standard deviation, in pixels, that makes a smooth line of a mask's steps, and reaches as far as the halo."""

_BLUR_OF_STEPS = 0.8
"""The same in pixels of a small film that is enlarged: its steps are enlarged too."""

_REACH = 3
"""How far a blur reaches, in standard deviations."""

Strength = NDArray[np.float32]


def draw_film(
    radiograph: Radiograph, regions: tuple[LungRegion, ...], *, longer_side: int, style: PictureStyle
) -> Image.Image:
    """Draw the standard display in RGB, its longer side so many pixels, with the regions in their colours."""
    film = _shown(radiograph, longer_side)
    for region in regions:
        _paint(film, region, radiograph, style)
    return film


def paint_sample(
    image: Image.Image, box: tuple[int, int, int, int], colour: tuple[int, int, int], style: PictureStyle
) -> None:
    """Draw the sample of a legend in *box*: a field like a region."""
    draw = ImageDraw.Draw(image)
    if style == "fill":
        image.paste(tuple(round(part * _TINT) for part in colour), box)
    draw.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), outline=colour, width=round(LINE_WIDTH))


def scaled(radiograph: Radiograph, longer_side: int) -> tuple[int, int]:
    """Give width and height in the picture; pixels that are not square become so."""
    rows, columns = radiograph.pixels.shape
    aspect = 1 / radiograph.pixel_aspect if radiograph.orientation.transpose else radiograph.pixel_aspect
    height = rows * aspect  # in pixels' widths
    scale = longer_side / max(height, columns)
    return max(1, round(columns * scale)), max(1, round(height * scale))


def _shown(radiograph: Radiograph, longer_side: int) -> Image.Image:
    pixels = np.empty(radiograph.pixels.shape, dtype=np.uint8)
    for rows in row_blocks(pixels.shape):
        pixels[rows] = np.clip(radiograph.pixels[rows], 0, 1) * 255
    size = scaled(radiograph, longer_side)
    return Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0).convert("RGB")


def _paint(film: Image.Image, region: LungRegion, radiograph: Radiograph, style: PictureStyle) -> None:
    shown = np.ascontiguousarray(radiograph.orientation.to_display(region.mask).astype(np.uint8))
    grey = Image.fromarray(shown * 255).resize(film.size, Image.Resampling.BILINEAR)
    values = np.asarray(grey)
    least = 127 if values.max() > 127 else 0  # what is marked is never invisible
    mask = Image.fromarray((values > least).astype(np.uint8) * 255)
    blur = max(_LEAST_BLUR, _BLUR_OF_STEPS * film.width / shown.shape[1])
    box = _around(mask, math.ceil(_REACH * blur))
    colour, mask = LUNG_COLOURS[region.laterality], mask.crop(box)
    under = np.asarray(film.crop(box), dtype=np.float32)
    if style == "fill":
        under = _over(under, np.asarray(mask, dtype=np.float32) / np.float32(255 / _TINT), colour)
    line, halo = _lines(mask, blur)
    under = _over(_over(under, halo, (0, 0, 0)), line, colour)
    film.paste(Image.fromarray(np.rint(under).astype(np.uint8)), box[:2])


def _around(mask: Image.Image, reach: int) -> tuple[int, int, int, int]:
    """Give the box of what is marked, and so many pixels around it."""
    left, top, right, bottom = mask.getbbox() or (0, 0, 1, 1)
    return (
        max(left - reach, 0),
        max(top - reach, 0),
        min(right + reach, mask.width),
        min(bottom + reach, mask.height),
    )


def _lines(mask: Image.Image, blur: float) -> tuple[Strength, Strength]:
    """
    Give the strength of the outline and of the darker line under it, 0 to 1, along the border of *mask*.

    A blurred edge is one half where the edge was, and falls there by 1 / (blur x root of 2 pi) a pixel: that tells
    how far away the edge is, to parts of a pixel.
    """
    blurred = _blurred(mask, blur)
    distance = np.abs(blurred - np.float32(0.5)) * np.float32(blur * math.sqrt(2 * math.pi))
    line, halo = (_within(width, distance) for width in (LINE_WIDTH, _HALO_WIDTH))
    near = _blurred(Image.fromarray((line > 0.5).astype(np.uint8) * 255), blur) > 0
    speck = (np.asarray(mask) > 0) & (blurred < 0.5) & ~near  # so small that the blur leaves no edge of it
    line[speck] = 1
    return line, halo * np.float32(_HALO)


def _within(width: float, distance: Strength) -> Strength:
    """Give 1 along a line of so many pixels, 0 beside it, and what lies between at its edges."""
    return np.asarray(np.clip((width + 1) / 2 - distance, 0, 1), dtype=np.float32)


def _blurred(mask: Image.Image, blur: float) -> Strength:
    return np.asarray(mask.filter(ImageFilter.GaussianBlur(blur)), dtype=np.float32) / np.float32(255)


def _over(under: Strength, strength: Strength, colour: tuple[int, int, int]) -> Strength:
    share = strength[..., None]
    return np.asarray(under * (1 - share) + np.array(colour, dtype=np.float32) * share, dtype=np.float32)
