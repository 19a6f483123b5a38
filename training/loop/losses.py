"""The losses: Dice and a real cross-entropy on the mask, equation 2 on the zones."""

import math

import torch
from monai.losses import DiceLoss
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, binary_cross_entropy_with_logits

_batch_dice = DiceLoss(sigmoid=True, batch=True)
_image_dice = DiceLoss(sigmoid=True, batch=False, reduction="none")


def mask_loss(logits: Tensor, masks: Tensor, *, infected: Tensor | None = None) -> Tensor:
    """
    Compare mask logits (B, 1, H, W) with masks (B, 1, H, W) of 0 or 1, or with chances between.

    Dice over the batch is what micro Dice measures; Dice of each infected image is what the mean measures.
    An empty mask has no Dice: the cross-entropy teaches it.

    Args:
        infected: bool (B,), where chances are given: they are never quite 0.
    """
    logits = logits.float()
    if infected is None:
        infected = masks.flatten(1).any(dim=1)
    loss: Tensor = binary_cross_entropy_with_logits(logits, masks) + 0.5 * _batch_dice(logits, masks)
    # No choice by what is in the batch: a GPU would have to be waited for at every step.
    counted = infected.float()
    own = (_image_dice(logits, masks).flatten() * counted).sum() / counted.sum().clamp(min=1)
    return loss + 0.5 * own


def coarse_mask_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Compare the logits of a coarse decoder map with the share of infection below each of its places."""
    share = adaptive_avg_pool2d(masks, (logits.shape[-2], logits.shape[-1]))
    return binary_cross_entropy_with_logits(logits.float(), share)


def zone_loss(logits: Tensor, zones: Tensor) -> Tensor:
    """Equation 2: binary cross-entropy of six zones (B, 6)."""
    return binary_cross_entropy_with_logits(logits.float(), zones)


def place_loss(place_logits: Tensor, zones: Tensor) -> Tensor:
    """
    Teach the query selection: some place of the image must speak for a zone where the report names it.

    Args:
        place_logits: (B, N, 6); a smooth maximum over the N places gives the image's logits.
        zones: (B, 6), 0 or 1, or chances between.
    """
    pooled = torch.logsumexp(place_logits.float(), dim=1) - math.log(place_logits.shape[1])
    return binary_cross_entropy_with_logits(pooled, zones)


def presence_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """
    Teach "is there any infection": cross-entropy of the mean logit of an image's likeliest 1 % of pixels.

    Args:
        logits: (B, 1, H, W) of the mask.
        masks: (B, 1, H, W), 0 or 1; an empty one says that there is none.
    """
    flat = logits.float().flatten(1)
    likeliest = flat.topk(max(1, flat.shape[1] // 100), dim=1).values.mean(dim=1)
    return binary_cross_entropy_with_logits(likeliest, masks.flatten(1).amax(dim=1))


class CoarseHeads(nn.Module):
    """Deep supervision at strides 16 and 8; used in training only and not exported."""

    def __init__(self, widths: tuple[int, int]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in widths)

    def forward(self, maps: list[Tensor], masks: Tensor) -> Tensor:
        """Sum the coarse losses of the maps at strides 16 and 8."""
        losses = [coarse_mask_loss(head(m), masks) for head, m in zip(self.heads, maps[:2], strict=True)]
        return torch.stack(losses).sum()
