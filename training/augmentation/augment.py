"""
Augmentation of a whole batch at once, on the device that holds it.

On two cores one `grid_sample` of 32 images takes less time than 32 transforms. From the paper (section 3.3) are
crops, masks (erased patches) and rotations. Added here are:

- a horizontal flip that also swaps the zones;
- gamma, blur and noise: they also hide the differences between the scanners of normal and of infected images;
- images joined of the right lung of one and the left lung of another; their zones are joined in the same way;
- changes as if from another hospital (`training.augmentation.appearance`);
- an undeclared border.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample

from sgseg_dicom.zones import MIRROR_ORDER
from training.augmentation.appearance import make_foreign
from training.augmentation.strength import Strength

_MIRROR = list(MIRROR_ORDER)


def augment(
    images: Tensor, masks: Tensor, zones: Tensor, *, size: int, strength: Strength, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """
    Augment a batch, and resize it to (size, size).

    Args:
        images: float32 (B, 1, H, W), 0 to 1.
        masks: float32 (B, K, H, W): the first is 0 or 1, and stays so; others are probabilities.
        zones: float32 (B, ..., 6).
        size: rows and columns of the result.
        strength: how far the augmentation goes.
        generator: the only source of random numbers, on the images' device.

    Returns:
        images (B, 1, size, size), masks (B, K, size, size), zones (B, ..., 6).
    """

    def draw(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=generator.device)

    batch = len(images)
    if strength.join:  # recipes without `join` draw no numbers for it: their results stay the same
        partner = torch.randperm(batch, generator=generator, device=generator.device)
        alone = torch.arange(batch, device=partner.device)
        images, masks, zones = _join(
            images, masks, zones, torch.where(draw(batch) < strength.join, partner, alone)
        )
    flip = draw(batch) < strength.flip
    grid = affine_grid(
        _matrices(draw(batch, 5) * 2 - 1, flip, strength), [batch, 1, size, size], align_corners=False
    )
    images = grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    masks = grid_sample(masks, grid, mode="bilinear", align_corners=False)
    masks = torch.cat(((masks[:, :1] >= 0.5).float(), masks[:, 1:]), dim=1)
    zones = torch.where(flip.view(-1, *[1] * (zones.ndim - 1)), zones[..., _MIRROR], zones)
    gamma = torch.exp((draw(batch, 1, 1, 1) * 2 - 1) * strength.log_gamma)
    images = images.clamp(0, 1) ** gamma
    blurred = avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    images = torch.where(draw(batch, 1, 1, 1) < strength.blur, blurred, images)
    noise = torch.randn(images.shape, generator=generator, device=generator.device)
    noisy = images + noise * strength.noise_deviation * draw(batch, 1, 1, 1)
    images = torch.where(draw(batch, 1, 1, 1) < strength.noise, noisy, images)
    if strength.foreign:
        images = make_foreign(images, share=strength.foreign, generator=generator)
    if strength.border:
        images, masks = _cover_border(images, masks, draw(batch, 7), strength)
    return _erase(images, draw(batch, 5), strength), masks, zones


def _matrices(drawn: Tensor, flip: Tensor, strength: Strength) -> Tensor:
    """Give the matrices (B, 2, 3) from output to input coordinates; *drawn* is (B, 5), -1 to 1."""
    angle = drawn[:, 0] * math.radians(strength.degrees)
    scale = torch.exp(drawn[:, 1] * strength.log_scale)
    aspect = torch.exp(drawn[:, 2] * strength.log_aspect)
    sign = torch.where(flip, -1.0, 1.0)
    cos, sin = torch.cos(angle), torch.sin(angle)
    matrix = torch.zeros(len(drawn), 2, 3, device=drawn.device)
    matrix[:, 0, 0], matrix[:, 0, 1] = sign * cos * scale * aspect, -sign * sin * scale
    matrix[:, 1, 0], matrix[:, 1, 1] = sin * scale * aspect, cos * scale
    matrix[:, :, 2] = drawn[:, 3:5] * 2 * strength.shift
    return matrix


def _join(images: Tensor, masks: Tensor, zones: Tensor, partner: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """
    Keep the left half of each image, the patient's right lung; take the other half from image *partner* (B,).

    Both halves get the same mean and standard deviation, and are blended over a fourteenth of the width. Beside a
    lung of another radiograph, a lung says nothing about the scanner, and the other lung says nothing about this one.
    """
    width = images.shape[-1]
    column = (torch.arange(width, device=images.device) + 0.5) / width - 0.5
    theirs = (column * 14 + 0.5).clamp(0, 1)  # share of the partner, from the image's left to its right
    mean, deviation = images.mean(dim=(2, 3), keepdim=True), images.std(dim=(2, 3), keepdim=True)
    alike = (images - mean) / deviation.clamp(min=1e-3)
    fitted = alike[partner] * deviation + mean
    right, left = zones[..., :3], zones[partner][..., 3:]
    return (
        torch.lerp(images, fitted.clamp(0, 1), theirs),
        torch.where(column > 0, masks[partner], masks),
        torch.cat((right, left), dim=-1),
    )


def _cover_border(images: Tensor, masks: Tensor, drawn: Tensor, strength: Strength) -> tuple[Tensor, Tensor]:
    """Cover up to a tenth of the image at each side, as collimator blades do; nothing is marked there."""
    place = (torch.arange(images.shape[-1], device=images.device) + 0.5) / images.shape[-1]
    near, far = 0.1 * drawn[:, 3:5, None], 1 - 0.1 * drawn[:, 5:7, None]
    inside = (place > near) & (place < far)
    covered = ~(inside[:, :1, :, None] & inside[:, 1:, None, :])
    covered &= drawn[:, 0, None, None, None] < strength.border
    grey = torch.where(drawn[:, 1] < 0.6, 0.0, drawn[:, 2])[:, None, None, None]
    return torch.where(covered, grey, images), torch.where(covered, 0.0, masks)


def _erase(images: Tensor, drawn: Tensor, strength: Strength) -> Tensor:
    """Fill a rectangle in some images with the image's mean."""
    size = images.shape[-1]
    steps = (torch.arange(size, device=images.device) + 0.5) / size
    half = 0.05 + strength.erased_half * drawn[:, 1:3]
    rows = (steps[None] - drawn[:, 3:4]).abs() < half[:, 0:1]
    columns = (steps[None] - drawn[:, 4:5]).abs() < half[:, 1:2]
    erased = drawn[:, 0, None, None, None] < strength.erase
    inside = rows[:, None, :, None] & columns[:, None, None, :] & erased
    return torch.where(inside, images.mean(dim=(2, 3), keepdim=True), images)
