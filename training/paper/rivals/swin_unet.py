"""Swin U-Net (Cao et al. 2022): a U-Net of Swin blocks alone; the decoder mirrors the encoder."""

import timm
import torch
from timm.models.swin_transformer import SwinTransformerStage
from torch import Tensor, nn

ENCODER = "swin_tiny_patch4_window7_224"
_DEPTHS = (2, 2, 2, 2)  # Swin-T itself has six blocks in its third stage
_HEADS = (3, 6, 12, 24)


class SwinUnet(nn.Module):
    """
    Images (B, 1, size, size) -> mask logits of the same shape.

    Args:
        size: of the images, a multiple of 32. A window has size / 32 places on a side: 7 at 224, as published.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        window = size // 32
        self.encoder = timm.create_model(
            ENCODER, img_size=size, window_size=window, depths=_DEPTHS, drop_path_rate=0.1, num_classes=0
        )
        width: int = self.encoder.embed_dim
        self.expansions = nn.ModuleList(_Expansion(width * 2**level, 2) for level in (3, 2, 1))
        self.joins = nn.ModuleList(
            nn.Linear(width * 2 ** (level + 1), width * 2**level) for level in (2, 1, 0)
        )
        self.stages = nn.ModuleList(
            SwinTransformerStage(
                width * 2**level,
                width * 2**level,
                input_resolution=(size // 4 // 2**level,) * 2,
                depth=_DEPTHS[level],
                downsample=False,
                num_heads=_HEADS[level],
                window_size=window,
            )
            for level in (2, 1, 0)
        )
        self.norm = nn.LayerNorm(width)
        self.last = _Expansion(width, 4)
        self.head = nn.Conv2d(width, 1, 1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Segment. Maps are (B, h, w, C) between the blocks."""
        x = self.encoder.patch_embed(images.expand(-1, 3, -1, -1))
        skips = []
        for stage in self.encoder.layers:
            x = stage(x)
            skips.append(x)
        x = self.encoder.norm(skips.pop())
        for expand, join, stage in zip(self.expansions, self.joins, self.stages, strict=True):
            x = stage(join(torch.cat((expand(x), skips.pop()), dim=-1)))
        logits: Tensor = self.head(self.last(self.norm(x)).permute(0, 3, 1, 2))
        return logits


class _Expansion(nn.Module):
    """
    Patch expanding: a linear layer, whose channels are then laid out in space.

    By a factor of 2 the channels are halved, by a factor of 4 they stay (section 3.4 of the paper).
    """

    def __init__(self, width: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        wanted = width // 2 if factor == 2 else width
        self.spread = nn.Linear(width, wanted * factor**2, bias=False)
        self.norm = nn.LayerNorm(wanted)

    def forward(self, x: Tensor) -> Tensor:
        batch, height, width, _ = x.shape
        x = self.spread(x).view(batch, height, width, self.factor, self.factor, -1)
        x = x.permute(0, 1, 3, 2, 4, 5).reshape(batch, height * self.factor, width * self.factor, -1)
        normed: Tensor = self.norm(x)
        return normed
