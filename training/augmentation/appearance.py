"""
How the same chest may look from another hospital: contrast, sharpness, grain and JPEG artefacts.

The data set's images all went one way to 224 x 224 PNG, and the weights of 0.2.0 had learned that way too: JPEG of
quality 20, or grain of 0.03 of the range, cost them 0.07 of micro Dice (training/LOG.md). Images are float32
(1, S, S), 0 black to 1 white, as all that is returned.
"""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.transforms.v2.functional import gaussian_blur

CHANCE = 0.35
"""Of each change, of an image that is to look foreign."""

_LOOKED_AT = 224
"""Pixels that the widths below are of."""


def make_foreign(images: Tensor, *, share: float, generator: torch.Generator) -> Tensor:
    """
    Let a *share* of the images, float32 (B, 1, S, S), look as if they came from elsewhere; the shape stays.

    What lies outside 0 to 1 is cut, here and after each change. The changes follow each other as they do in life:
    detector and processing, resizing, grain, storage.
    """

    def draw(count: int) -> list[float]:
        return torch.rand(count, generator=generator).tolist()

    changed = images.clamp(0, 1)
    for image in changed:
        if draw(1)[0] >= share:
            continue
        for change in CHANGES:
            if draw(1)[0] < CHANCE:
                image[:] = change(image, draw(3), generator)
    return changed


def windowed(image: Tensor, *, low: float, high: float) -> Tensor:
    """Show what lies between two quantiles of the values, 0 to 1: a narrow window."""
    black, white = torch.quantile(image, torch.tensor([low, high]))
    return ((image - black) / (white - black).clamp(min=0.05)).clamp(0, 1)


def curved(image: Tensor, *, slope: float, centre: float) -> Tensor:
    """Bend the values to the curve of a film: steep at the *centre*, flat at both ends."""
    ends = torch.sigmoid(slope * (torch.tensor([0.0, 1.0]) - centre))
    return (torch.sigmoid(slope * (image - centre)) - ends[0]) / (ends[1] - ends[0])


def equalised(image: Tensor) -> Tensor:
    """Make the histogram even."""
    counts, edges = np.histogram(image.numpy(), bins=256, range=(0, 1))
    shares = np.concatenate(([0], counts.cumsum())) / counts.sum()
    return torch.from_numpy(np.interp(image.numpy(), edges, shares).astype(np.float32))


def blurred(image: Tensor, *, pixels: float) -> Tensor:
    """Blur with a Gaussian of this deviation, in pixels of 224."""
    deviation = pixels * image.shape[-1] / _LOOKED_AT
    return gaussian_blur(image, [2 * round(3 * deviation) + 1] * 2, [deviation] * 2)


def sharpened(image: Tensor, *, amount: float, pixels: float) -> Tensor:
    """Lift the edges (unsharp mask)."""
    return (image + amount * (image - blurred(image, pixels=pixels))).clamp(0, 1)


def coarsened(image: Tensor, *, share: float) -> Tensor:
    """Take the image through fewer pixels: this *share* of its rows and columns."""
    fewer = round(image.shape[-1] * share)
    small = interpolate(image[None], (fewer, fewer), mode="area")
    return interpolate(small, image.shape[-2:], mode="bilinear", align_corners=False)[0]


def grainy(image: Tensor, *, deviation: float, pixels: float, generator: torch.Generator) -> Tensor:
    """Add noise of this *deviation*, of the range black to white; blurred by so many *pixels*, 0: not at all."""
    noise = torch.randn(image.shape, generator=generator)
    if pixels:
        noise = blurred(noise, pixels=pixels)
    return (image + noise * (deviation / noise.std())).clamp(0, 1)


def through_jpeg(image: Tensor, *, quality: int) -> Tensor:
    """Store as JPEG with 8 bits, and read again."""
    stored = BytesIO()
    values = (image[0].clamp(0, 1).numpy() * 255).round().astype(np.uint8)  # else below black is white
    Image.fromarray(values).save(stored, "JPEG", quality=quality)
    return torch.from_numpy(np.asarray(Image.open(stored), dtype=np.float32)[None] / 255)


def _contrast(image: Tensor, chance: list[float], generator: torch.Generator) -> Tensor:
    kind, first, second = chance
    if kind < 0.4:
        return windowed(image, low=0.15 * first, high=1 - 0.15 * second)
    if kind < 0.7:
        return curved(image, slope=4 + 6 * first, centre=0.35 + 0.3 * second)
    return torch.lerp(image, equalised(image), 0.3 + 0.7 * first)


def _sharpness(image: Tensor, chance: list[float], generator: torch.Generator) -> Tensor:
    kind, first, second = chance
    if kind < 0.5:
        return blurred(image, pixels=0.4 + 1.6 * first)
    return sharpened(image, amount=0.3 + 1.7 * first, pixels=1 + second)


def _coarseness(image: Tensor, chance: list[float], generator: torch.Generator) -> Tensor:
    return coarsened(image, share=0.4 + 0.5 * chance[0])


def _grain(image: Tensor, chance: list[float], generator: torch.Generator) -> Tensor:
    pixels = 0.4 + 0.8 * chance[2] if chance[1] < 0.5 else 0.0
    return grainy(image, deviation=0.01 * 6 ** chance[0], pixels=pixels, generator=generator)


def _storage(image: Tensor, chance: list[float], generator: torch.Generator) -> Tensor:
    return through_jpeg(image, quality=round(15 + 70 * chance[0]))


Change = Callable[[Tensor, list[float], torch.Generator], Tensor]
CHANGES: tuple[Change, ...] = (_contrast, _sharpness, _coarseness, _grain, _storage)
"""Each takes an image (1, S, S), three numbers from 0 to 1 and a source of chance."""
