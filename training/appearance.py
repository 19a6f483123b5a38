"""
How the same chest may look from another hospital: contrast, sharpness, grain and JPEG artefacts.

The data set's images all went one way to 224 x 224 PNG. The shipped 0.2.0 weights had learned that way too: JPEG of
quality 20, or grain of 0.03 of the range, cost them 0.07 of micro Dice (training/LOG.md).
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
    Let a *share* of the images, float32 (B, 1, S, S) from 0 to 1, look as if they came from elsewhere; shape stays.

    The changes follow each other as they do in life: detector and processing, resizing, grain, storage.
    """

    def draw(count: int) -> list[float]:
        return torch.rand(count, generator=generator).tolist()

    changed = images.clone()
    for image in changed:
        if draw(1)[0] >= share:
            continue
        for change in CHANGES:
            if draw(1)[0] < CHANCE:
                image[:] = change(image, draw(3), generator).clamp(0, 1)
    return changed


def _contrast(image: Tensor, chance: list[float], generator: torch.Generator) -> Tensor:
    """Another window, a curve of another film, or a histogram made even."""
    kind, first, second = chance
    if kind < 0.4:
        return _windowed(image, 0.15 * first, 1 - 0.15 * second)
    if kind < 0.7:
        return _curved(image, slope=4 + 6 * first, centre=0.35 + 0.3 * second)
    return torch.lerp(image, _equalised(image), 0.3 + 0.7 * first)


def _windowed(image: Tensor, low: float, high: float) -> Tensor:
    black, white = torch.quantile(image, torch.tensor([low, high]))
    return (image - black) / (white - black).clamp(min=0.05)


def _curved(image: Tensor, *, slope: float, centre: float) -> Tensor:
    ends = torch.sigmoid(slope * (torch.tensor([0.0, 1.0]) - centre))
    return (torch.sigmoid(slope * (image - centre)) - ends[0]) / (ends[1] - ends[0])


def _equalised(image: Tensor) -> Tensor:
    counts, edges = np.histogram(image.numpy(), bins=256, range=(0, 1))
    shares = np.concatenate(([0], counts.cumsum())) / counts.sum()
    return torch.from_numpy(np.interp(image.numpy(), edges, shares).astype(np.float32))


def _sharpness(image: Tensor, chance: list[float], generator: torch.Generator) -> Tensor:
    """Softer, or with the edges lifted (unsharp mask)."""
    kind, first, second = chance
    if kind < 0.5:
        return _blurred(image, 0.4 + 1.6 * first)
    return image + (0.3 + 1.7 * first) * (image - _blurred(image, 1 + second))


def _blurred(image: Tensor, pixels: float) -> Tensor:
    """Blur with a Gaussian of this deviation, in pixels of 224."""
    deviation = pixels * image.shape[-1] / _LOOKED_AT
    return gaussian_blur(image, [2 * round(3 * deviation) + 1] * 2, [deviation] * 2)


def _coarseness(image: Tensor, chance: list[float], generator: torch.Generator) -> Tensor:
    """Through fewer pixels."""
    fewer = round(image.shape[-1] * (0.4 + 0.5 * chance[0]))
    small = interpolate(image[None], (fewer, fewer), mode="area")
    return interpolate(small, image.shape[-2:], mode="bilinear", align_corners=False)[0]


def _grain(image: Tensor, chance: list[float], generator: torch.Generator) -> Tensor:
    """Noise of 0.01 to 0.06 of the range, fine or coarse."""
    noise = torch.randn(image.shape, generator=generator)
    if chance[1] < 0.5:
        noise = _blurred(noise, 0.4 + 0.8 * chance[2])
    return image + noise * (0.01 * 6 ** chance[0]) / noise.std()


def _storage(image: Tensor, chance: list[float], generator: torch.Generator) -> Tensor:
    """JPEG of quality 15 to 85."""
    stored = BytesIO()
    Image.fromarray((image[0].numpy() * 255).round().astype(np.uint8)).save(
        stored, "JPEG", quality=round(15 + 70 * chance[0])
    )
    return torch.from_numpy(np.asarray(Image.open(stored), dtype=np.float32)[None] / 255)


Change = Callable[[Tensor, list[float], torch.Generator], Tensor]
CHANGES: tuple[Change, ...] = (_contrast, _sharpness, _coarseness, _grain, _storage)
"""Each takes an image (1, S, S), three numbers from 0 to 1 and a source of chance."""
