"""
Changes of an image as if it came from another hospital: contrast, sharpness, grain and JPEG artefacts.

All images of the data set became 224 x 224 PNG in the same way, and the weights of 0.2.0 had learned this way too:
JPEG of quality 20, or grain of 0.03 of the range, cost them 0.07 of micro Dice (training/LOG.md). All images here are
float32 (1, S, S), from 0, black, to 1, white.
"""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.transforms.v2.functional import gaussian_blur

CHANGE_PROBABILITY = 0.35
"""Probability of each change, for an image that shall look foreign."""

_REFERENCE_SIZE = 224
"""Widths in pixels, below, are those of an image of this size."""


def make_foreign(images: Tensor, *, share: float, generator: torch.Generator) -> Tensor:
    """
    Change a *share* of the images, float32 (B, 1, S, S), as if they came from elsewhere; the shape stays.

    Values outside 0 to 1 are cut, at the start and after each change. The changes have the order of real life:
    detector and processing, resizing, grain, storage.
    """

    def draw(count: int) -> list[float]:
        return torch.rand(count, generator=generator).tolist()

    changed = images.clamp(0, 1)
    for image in changed:
        if draw(1)[0] >= share:
            continue
        for change in CHANGES:
            if draw(1)[0] < CHANGE_PROBABILITY:
                image[:] = change(image, draw(3), generator)
    return changed


def windowed(image: Tensor, *, low: float, high: float) -> Tensor:
    """Stretch the values between two quantiles to 0 to 1: a narrow window."""
    black, white = torch.quantile(image, torch.tensor([low, high]))
    return ((image - black) / (white - black).clamp(min=0.05)).clamp(0, 1)


def curved(image: Tensor, *, slope: float, centre: float) -> Tensor:
    """Apply the curve of a film: steep at the *centre*, flat at both ends."""
    ends = torch.sigmoid(slope * (torch.tensor([0.0, 1.0]) - centre))
    return (torch.sigmoid(slope * (image - centre)) - ends[0]) / (ends[1] - ends[0])


def equalised(image: Tensor) -> Tensor:
    """Equalise the histogram."""
    counts, edges = np.histogram(image.numpy(), bins=256, range=(0, 1))
    shares = np.concatenate(([0], counts.cumsum())) / counts.sum()
    return torch.from_numpy(np.interp(image.numpy(), edges, shares).astype(np.float32))


def blurred(image: Tensor, *, pixels: float) -> Tensor:
    """Blur with a Gaussian of this standard deviation, in pixels of 224."""
    deviation = pixels * image.shape[-1] / _REFERENCE_SIZE
    return gaussian_blur(image, [2 * round(3 * deviation) + 1] * 2, [deviation] * 2)


def sharpened(image: Tensor, *, amount: float, pixels: float) -> Tensor:
    """Strengthen the edges (unsharp mask)."""
    return (image + amount * (image - blurred(image, pixels=pixels))).clamp(0, 1)


def coarsened(image: Tensor, *, share: float) -> Tensor:
    """Reduce the image to this *share* of its rows and columns, and enlarge it again."""
    fewer = round(image.shape[-1] * share)
    small = interpolate(image[None], (fewer, fewer), mode="area")
    return interpolate(small, image.shape[-2:], mode="bilinear", align_corners=False)[0]


def grainy(image: Tensor, *, deviation: float, pixels: float, generator: torch.Generator) -> Tensor:
    """Add noise of this standard *deviation*, a share of the range, blurred by so many *pixels*; 0: not at all."""
    noise = torch.randn(image.shape, generator=generator)
    if pixels:
        noise = blurred(noise, pixels=pixels)
    return (image + noise * (deviation / noise.std())).clamp(0, 1)


def through_jpeg(image: Tensor, *, quality: int) -> Tensor:
    """Store the image as JPEG with 8 bits, and read it again."""
    stored = BytesIO()
    values = (
        (image[0].clamp(0, 1).numpy() * 255).round().astype(np.uint8)
    )  # without the clamp, values below black would become white
    Image.fromarray(values).save(stored, "JPEG", quality=quality)
    return torch.from_numpy(np.asarray(Image.open(stored), dtype=np.float32)[None] / 255)


def _contrast(image: Tensor, drawn: list[float], generator: torch.Generator) -> Tensor:
    kind, first, second = drawn
    if kind < 0.4:
        return windowed(image, low=0.15 * first, high=1 - 0.15 * second)
    if kind < 0.7:
        return curved(image, slope=4 + 6 * first, centre=0.35 + 0.3 * second)
    return torch.lerp(image, equalised(image), 0.3 + 0.7 * first)


def _sharpness(image: Tensor, drawn: list[float], generator: torch.Generator) -> Tensor:
    kind, first, second = drawn
    if kind < 0.5:
        return blurred(image, pixels=0.4 + 1.6 * first)
    return sharpened(image, amount=0.3 + 1.7 * first, pixels=1 + second)


def _coarseness(image: Tensor, drawn: list[float], generator: torch.Generator) -> Tensor:
    return coarsened(image, share=0.4 + 0.5 * drawn[0])


def _grain(image: Tensor, drawn: list[float], generator: torch.Generator) -> Tensor:
    pixels = 0.4 + 0.8 * drawn[2] if drawn[1] < 0.5 else 0.0
    return grainy(image, deviation=0.01 * 6 ** drawn[0], pixels=pixels, generator=generator)


def _storage(image: Tensor, drawn: list[float], generator: torch.Generator) -> Tensor:
    return through_jpeg(image, quality=round(15 + 70 * drawn[0]))


Change = Callable[[Tensor, list[float], torch.Generator], Tensor]
CHANGES: tuple[Change, ...] = (_contrast, _sharpness, _coarseness, _grain, _storage)
"""Each takes an image (1, S, S), three random numbers from 0 to 1, and a random generator."""
