"""Feature maps -> the short descriptors that the heads read: what is in the image, and how its two halves differ."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

_GRID = (3, 2)
"""Rows and columns into which a map is pooled for its halves: thirds of the height, left and right."""


def content_of(features: Sequence[Tensor]) -> Tensor:
    """
    Give mean and maximum of each channel at strides 8, 16 and 32.

    Args:
        features: maps (B, C, H, W) at strides 4, 8, 16 and 32.

    Returns:
        float32 (B, 2 * sum of C without stride 4).
    """
    maps = [one.float() for one in features[1:]]  # a mean in half precision would be rounded
    return torch.cat([part for one in maps for part in (one.mean(dim=(2, 3)), one.amax(dim=(2, 3)))], dim=1)


def asymmetry_of(features: Sequence[Tensor]) -> Tensor:
    """
    Give the image's left half minus its right half, of each channel at strides 16 and 32, in thirds of the height.

    A mirrored image has about the negative of it: a linear head without a constant then tells mirrored images.

    Args:
        features: as of `content_of`.

    Returns:
        float32 (B, 3 * sum of C at strides 16 and 32).
    """
    halves = [adaptive_avg_pool2d(one.float(), _GRID) for one in features[2:]]
    return torch.cat([(pooled[..., 0] - pooled[..., 1]).flatten(1) for pooled in halves], dim=1)
