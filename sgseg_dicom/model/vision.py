"""The image encoder: any timm backbone with features at strides 4, 8, 16 and 32."""

from collections.abc import Sequence
from typing import Any

import timm
from torch import Tensor, nn

STRIDES = (4, 8, 16, 32)


class ImageEncoder(nn.Module):
    """
    A timm feature extractor (paper section 2.2: ConvNeXt-T).

    Args:
        name: of timm.
        in_channels: of the encoder; the grey image is repeated so often.
        blocks: number of blocks of each stage, for encoders with a `stages` argument (Hiera); None: all.

    Attributes:
        channels: of the four feature maps, stride 4 first.
    """

    def __init__(self, name: str, *, in_channels: int, blocks: Sequence[int] | None = None) -> None:
        super().__init__()
        own = {} if blocks is None else {"stages": tuple(blocks)}
        all_places = _features(name, in_channels, **own).feature_info.reduction()
        places = [all_places.index(stride) for stride in STRIDES]
        self.backbone = _features(name, in_channels, out_indices=places, **own)
        self.channels: list[int] = self.backbone.feature_info.channels()
        self.in_channels = in_channels

    def forward(self, image: Tensor) -> list[Tensor]:
        """Turn (B, 1, H, W) into four maps (B, C, H / stride, W / stride); H and W are multiples of 32."""
        return list(self.backbone(image.expand(-1, self.in_channels, -1, -1)))


def _features(name: str, in_channels: int, **keywords: Any) -> Any:
    return timm.create_model(name, features_only=True, in_chans=in_channels, **keywords)
