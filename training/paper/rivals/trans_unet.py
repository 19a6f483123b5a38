"""TransUNet (Chen et al. 2021, arXiv 2102.04306): a ResNet-50 below a ViT-B, and a cascaded upsampler."""

from collections.abc import Sequence

import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

ENCODER = "vit_base_r50_s16_224"
"""timm's name of the R50-ViT-B/16: a ResNetV2-50 without its last stage, then twelve blocks of a ViT-B on 1/16."""

_SKIPS = (64, 256, 512)
_WIDTHS = (512, 256, 128, 64, 16)


class TransUNet(nn.Module):
    """
    Images (B, 1, size, size) -> mask logits of the same shape.

    Args:
        size: of the images; the ViT's positions are made for it. Images of another size are refused by timm.
        depth, encoder: smaller ones are for tests; the published model has twelve blocks.
    """

    def __init__(self, size: int, *, depth: int = 12) -> None:
        super().__init__()
        self.encoder = timm.create_model(ENCODER, img_size=size, depth=depth, num_classes=0)
        width = self.encoder.embed_dim
        self.entry = _convolution(width, _WIDTHS[0])
        skips = (*reversed(_SKIPS), 0)
        self.ups = nn.ModuleList(
            _Up(given, skip, wanted)
            for given, skip, wanted in zip(_WIDTHS[:-1], skips, _WIDTHS[1:], strict=True)
        )
        self.head = nn.Conv2d(_WIDTHS[-1], 1, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Segment."""
        skips, x = self._encode(images.expand(-1, 3, -1, -1))
        x = self.entry(x)
        for up, skip in zip(self.ups, (*reversed(skips), None), strict=True):
            x = up(x, skip)
        logits: Tensor = self.head(x)
        return logits

    def _encode(self, images: Tensor) -> tuple[Sequence[Tensor], Tensor]:
        """Give the maps at strides 2, 4 and 8, and what the ViT makes of the one at stride 16."""
        vit, resnet = self.encoder, self.encoder.patch_embed.backbone
        skips = [resnet.stem.norm(resnet.stem.conv(images))]
        x = resnet.stem.pool(skips[0])
        for stage in resnet.stages:
            x = stage(x)
            skips.append(x)
        grid = vit.patch_embed.proj(resnet.norm(skips.pop()))
        tokens = grid.flatten(2).transpose(1, 2)
        tokens = tokens + vit.pos_embed[:, vit.num_prefix_tokens :]  # the class token has no place in a map
        tokens = vit.norm(vit.blocks(tokens))
        return skips, tokens.transpose(1, 2).reshape(grid.shape)


class _Up(nn.Module):
    """Double the size, join the skip connection, and convolve twice."""

    def __init__(self, given: int, skip: int, wanted: int) -> None:
        super().__init__()
        self.convolve = nn.Sequential(_convolution(given + skip, wanted), _convolution(wanted, wanted))

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        x = interpolate(x, scale_factor=2.0, mode="bilinear")
        convolved: Tensor = self.convolve(x if skip is None else torch.cat((x, skip), dim=1))
        return convolved


def _convolution(given: int, wanted: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(given, wanted, 3, padding=1, bias=False), nn.BatchNorm2d(wanted), nn.ReLU(inplace=True)
    )
