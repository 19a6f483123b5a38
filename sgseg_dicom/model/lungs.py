"""The lung fields: a light decoder on the features that the segmenter's encoder makes anyway."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle

WIDTHS = (32, 64, 64, 64)
"""Channels at strides 4, 8, 16 and 32. At stride 4 most of the time goes."""
_FINER = 2
"""The logits have so many times the rows and columns of the finest feature map."""


class LungDecoder(nn.Module):
    """
    The patient's right and left lung, from the feature maps of a frozen encoder; 0.15 M parameters.

    Every map is brought to a small width, and added to the result of the coarser one, from coarse to fine (feature
    pyramid networks, Lin et al., CVPR 2017).

    Args:
        channels: of the feature maps at strides 4, 8, 16 and 32.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        coarser = (*WIDTHS[1:], 0)
        self.own = nn.ModuleList(
            nn.Conv2d(given, width, 1) for given, width in zip(channels, WIDTHS, strict=True)
        )
        self.from_coarser = nn.ModuleList(
            nn.Conv2d(below, width, 1) if below and below != width else nn.Identity()
            for below, width in zip(coarser, WIDTHS, strict=True)
        )
        self.smooth = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
            for width in WIDTHS
        )
        self.head = nn.Conv2d(WIDTHS[0], 2 * _FINER**2, 1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """
        Decode feature maps, stride 4 first, of an image (B, 1, H, W).

        Returns:
            logits (B, 2, H / 2, W / 2): the patient's right lung, which is at the image's left, and the left one.
        """
        path: Tensor | None = None
        for given, own, from_coarser, smooth in reversed(
            list(zip(features, self.own, self.from_coarser, self.smooth, strict=True))
        ):
            here = own(given)
            if path is not None:
                here = here + interpolate(
                    from_coarser(path), here.shape[-2:], mode="bilinear", align_corners=False
                )
            path = smooth(here)
        return pixel_shuffle(self.head(path), _FINER)


def enlarged(logits: Tensor, size: int) -> Tensor:
    """Resample logits (B, 2, h, w) to (B, 2, size, size), linearly; float32."""
    return interpolate(logits.float(), (size, size), mode="bilinear", align_corners=False)


def lungs_of(logits: Tensor, size: int) -> Tensor:
    """
    Give the lungs of logits (B, 2, h, w) as labels.

    Returns:
        uint8 (B, size, size), `RIGHT_LUNG` and `LEFT_LUNG` of `sgseg_dicom.model_records`, 0 elsewhere.
    """
    best, side = enlarged(logits, size).max(dim=1)
    return torch.where(best > 0, side + 1, 0).to(torch.uint8)
