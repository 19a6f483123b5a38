"""The guided decoder of LanGuideMedSeg (paper section 2.2): image features attend to the report."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sgseg_dicom.model.report_table import TOKENS

_TEXT_TOKENS = (24, 12, 9)
"""Number of report tokens in each stage after projection, coarse to fine (published code)."""


class GuideLayer(nn.Module):
    """Self-attention over the image, then cross-attention from the image to the report."""

    def __init__(self, width: int, *, text_tokens: int, text_width: int) -> None:
        super().__init__()
        self.mix_tokens = nn.Conv1d(TOKENS, text_tokens, kernel_size=1)
        self.project_text = nn.Sequential(nn.GELU(), nn.Linear(text_width, width), nn.LeakyReLU())
        self.text_position = nn.Parameter(torch.randn(text_tokens, width) * 0.02)
        self.norm_self, self.norm_cross = nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attention = nn.MultiheadAttention(width, num_heads=1, batch_first=True)
        self.cross_attention = nn.MultiheadAttention(width, num_heads=4, batch_first=True)
        self.norm_self_out, self.norm_cross_out = nn.LayerNorm(width), nn.LayerNorm(width)
        self.scale = nn.Parameter(torch.full((1,), 0.01))

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        """Guide x (B, C, h, w) by an embedded report, words (B, 24, text width) -> (B, C, h, w)."""
        batch, channels, height, width = x.shape
        text = self.project_text(self.mix_tokens(words))  # (B, text tokens, C)
        tokens = x.flatten(2).transpose(1, 2)  # (B, h*w, C)
        position = _sinusoid(height, width, channels, like=tokens)
        values = self.norm_self(tokens)
        queries = values + position
        attended = self.self_attention(queries, queries, values, need_weights=False)[0]
        tokens = tokens + self.norm_self_out(attended)
        queries = self.norm_cross(tokens) + position
        attended = self.cross_attention(queries, text + self.text_position, text, need_weights=False)[0]
        tokens = tokens + self.scale * self.norm_cross_out(attended)
        return tokens.transpose(1, 2).reshape(batch, channels, height, width)


class UpBlock(nn.Module):
    """Double the size, join the skip connection, and convolve twice with a residual (the UNETR block)."""

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2, bias=False)
        joined = out_channels + skip_channels
        self.convolve = nn.Sequential(
            nn.Conv2d(joined, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.LeakyReLU(0.01),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(joined, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)
        )

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Turn x (B, C, h, w) and skip (B, S, 2h, 2w) into (B, out, 2h, 2w)."""
        joined = torch.cat((self.up(x), skip), dim=1)
        return nn.functional.leaky_relu(self.convolve(joined) + self.shortcut(joined), 0.01)


class GuidedDecoder(nn.Module):
    """
    Three guided stages from stride 32 to stride 4, then a sub-pixel head to full size.

    Args:
        channels: of the encoder at strides 4, 8, 16, 32.
        widths: of the decoder at strides 32, 16, 8, 4.
        text_width: of the report embeddings.
        head_channels: after the sub-pixel convolution.
    """

    def __init__(
        self, channels: Sequence[int], widths: Sequence[int], *, text_width: int, head_channels: int
    ) -> None:
        super().__init__()
        s4, s8, s16, s32 = channels
        w32, w16, w8, w4 = widths
        self.entry = nn.Identity() if s32 == w32 else nn.Conv2d(s32, w32, 1)
        self.guides = nn.ModuleList(
            GuideLayer(width, text_tokens=tokens, text_width=text_width)
            for width, tokens in zip((w32, w16, w8), _TEXT_TOKENS, strict=True)
        )
        self.ups = nn.ModuleList((UpBlock(w32, s16, w16), UpBlock(w16, s8, w8), UpBlock(w8, s4, w4)))
        self.head = nn.Sequential(
            nn.Conv2d(w4, head_channels * 16, 3, padding=1),
            nn.PixelShuffle(4),
            nn.Conv2d(head_channels, 1, 1),
        )

    def forward(self, features: list[Tensor], words: Tensor) -> tuple[Tensor, list[Tensor]]:
        """
        Decode features (strides 4, 8, 16, 32) under the guidance of an embedded report, words (B, 24, text width).

        Returns:
            mask logits (B, 1, H, W), and the maps at strides 16, 8, 4 for deep supervision.
        """
        *skips, x = features
        x = self.entry(x)
        maps = []
        for guide, up, skip in zip(self.guides, self.ups, reversed(skips), strict=True):
            x = up(guide(x, words), skip)
            maps.append(x)
        return self.head(x), maps


def _sinusoid(height: int, width: int, channels: int, *, like: Tensor) -> Tensor:
    """Give the 2-D sine and cosine position embedding, (1, height*width, channels)."""
    quarter = channels // 4
    speed = 10000.0 ** -(torch.arange(quarter, device=like.device, dtype=torch.float32) / quarter)
    y = torch.arange(height, device=like.device, dtype=torch.float32)[:, None] * speed
    x = torch.arange(width, device=like.device, dtype=torch.float32)[:, None] * speed
    rows = torch.cat((y.sin(), y.cos()), dim=1)[:, None].expand(-1, width, -1)
    columns = torch.cat((x.sin(), x.cos()), dim=1)[None].expand(height, -1, -1)
    return torch.cat((rows, columns), dim=2).reshape(1, height * width, 4 * quarter).to(like.dtype)
