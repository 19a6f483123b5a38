"""LViT (Li et al. 2023, arXiv 2206.14718): a U-Net, and a U of ViTs with the text, joined at each level."""

from itertools import pairwise

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn.functional import interpolate

from sgseg_dicom.model.report_table import TOKENS

_WIDTHS = (64, 128, 256, 512)
_PLACES = 16
"""A ViT of every level has size / 16 places on a side, however large the level's map is: its patches are smaller."""


class LViT(nn.Module):
    """
    Images (B, 1, size, size) and embedded reports (B, 24, text width) -> mask logits of the images' shape.

    Args:
        size: of the images, a multiple of 16.
        text_width: of the report embeddings.
    """

    def __init__(self, size: int, *, text_width: int) -> None:
        super().__init__()
        side, widths = size // _PLACES, _WIDTHS
        deeper = (*widths[1:], widths[-1])
        self.entry = _twice(1, widths[0])
        self.downs = nn.ModuleList(
            _twice(given, wanted) for given, wanted in zip(widths, deeper, strict=True)
        )
        self.text = nn.ModuleList(
            nn.Conv1d(given, wanted, 3, padding=1)
            for given, wanted in zip((*widths[1:], text_width), widths, strict=True)
        )
        self.places = nn.Conv1d(TOKENS, side**2, 1)
        self.embeds = nn.ModuleList(
            nn.Conv2d(width, width, side_of, stride=side_of)
            for width, side_of in zip(widths, (16, 8, 4, 2), strict=True)
        )
        self.positions = nn.ParameterList(nn.Parameter(torch.zeros(1, side**2, width)) for width in widths)
        self.vit_downs = nn.ModuleList(_blocks(width) for width in widths)
        self.vit_ups = nn.ModuleList(_blocks(width) for width in widths)
        self.wider = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))
        self.narrower = nn.ModuleList(nn.Linear(b, a) for a, b in pairwise(widths))
        self.back = nn.ModuleList(
            nn.Sequential(nn.Conv2d(w, w, 1), nn.BatchNorm2d(w), nn.ReLU()) for w in widths
        )
        self.attentions = nn.ModuleList(PixelLevelAttention(width) for width in widths)
        ups = (widths[0], *widths[:-1])
        self.ups = nn.ModuleList(_twice(2 * width, wanted) for width, wanted in zip(widths, ups, strict=True))
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(self, images: Tensor, words: Tensor) -> Tensor:
        """Segment under the report."""
        maps, x = self._down(images)
        tokens = self._attend(maps, words)
        for level in reversed(range(len(_WIDTHS))):
            skip = maps[level] + self._to_map(tokens[level], level, maps[level])
            x = interpolate(x, scale_factor=2.0, mode="bilinear")
            x = self.ups[level](torch.cat((x, self.attentions[level](skip)), dim=1))
        logits: Tensor = self.head(x)
        return logits

    def _down(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Give the U's maps at strides 1, 2, 4, 8, and the one at stride 16."""
        x = self.entry(images)
        maps = []
        for down in self.downs:
            maps.append(x)
            x = down(nn.functional.max_pool2d(x, 2))
        return maps, x

    def _attend(self, maps: list[Tensor], words: Tensor) -> list[Tensor]:
        """Give the tokens (B, places, width) of each level, after the way down the ViT and the way up again."""
        text = words.transpose(1, 2)
        for narrow in reversed(self.text):  # type: ignore[call-overload]
            text = narrow(text)
        down: list[Tensor] = []
        for level, level_map in enumerate(maps):
            tokens = self.embeds[level](level_map).flatten(2).transpose(1, 2) + self.positions[level]
            before = self.wider[level - 1](down[-1]) if level else self.places(text.transpose(1, 2))
            tokens = tokens + before
            down.append(self.vit_downs[level](tokens))
        up = down[-1]
        levels: list[Tensor] = []
        for level in reversed(range(len(maps))):
            if level < len(maps) - 1:
                up = down[level] + self.narrower[level](up)
            up = self.vit_ups[level](up)
            levels.insert(0, up)
        return levels

    def _to_map(self, tokens: Tensor, level: int, like: Tensor) -> Tensor:
        side = round(tokens.shape[1] ** 0.5)
        grid = tokens.transpose(1, 2).reshape(len(tokens), -1, side, side)
        grown: Tensor = self.back[level](interpolate(grid, like.shape[-2:], mode="bilinear"))
        return grown


class PixelLevelAttention(nn.Module):
    """
    PLAM: which pixels of a skip connection count. It keeps local features that the ViT would smooth away.

    The mean and the maximum over the channels of each pixel (two branches), and their sum, give its weight.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.see = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, groups=width), nn.ReLU())
        self.weigh = nn.Sequential(nn.Conv2d(3, 6, 1), nn.ReLU(), nn.Conv2d(6, 1, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Weigh the pixels of (B, C, h, w)."""
        seen = self.see(x)
        mean, most = seen.mean(dim=1, keepdim=True), seen.amax(dim=1, keepdim=True)
        weighed: Tensor = x * (1 + self.weigh(torch.cat((mean, most, mean + most), dim=1)))
        return weighed


def _twice(given: int, wanted: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (given, wanted):
        layers += [
            nn.Conv2d(width, wanted, 3, padding=1, bias=False),
            nn.BatchNorm2d(wanted),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def _blocks(width: int) -> Block:
    return Block(width, num_heads=4, mlp_ratio=4.0, qkv_bias=True)
