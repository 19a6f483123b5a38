"""The losses: Dice and cross-entropy of the mask, and equation 2 of the paper for the zones."""

import math

import torch
from monai.losses import DiceLoss
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, binary_cross_entropy_with_logits

_batch_dice = DiceLoss(sigmoid=True, batch=True)
_image_dice = DiceLoss(sigmoid=True, batch=False, reduction="none")


def mask_loss(logits: Tensor, masks: Tensor, *, infected: Tensor | None = None) -> Tensor:
    """
    Compare mask logits (B, 1, H, W) with masks (B, 1, H, W) of 0 or 1, or of probabilities.

    There are three terms: cross-entropy, Dice over the batch (which micro Dice measures), and the mean Dice of the
    infected images (which Dice per image measures). An empty mask has no Dice: it counts in the cross-entropy.

    Args:
        infected: bool (B,), which images are infected; None: those whose mask has a value above 0. Needed where
            *masks* are probabilities, which are never quite 0.
    """
    logits = logits.float()
    if infected is None:
        infected = masks.flatten(1).any(dim=1)
    loss: Tensor = binary_cross_entropy_with_logits(logits, masks) + 0.5 * _batch_dice(logits, masks)
    # No `if` that depends on the batch: every step would have to wait for the GPU.
    counted = infected.float()
    own = (_image_dice(logits, masks).flatten() * counted).sum() / counted.sum().clamp(min=1)
    return loss + 0.5 * own


def coarse_mask_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Compare the logits of a coarse decoder map with the share of each place that is infected."""
    share = adaptive_avg_pool2d(masks, (logits.shape[-2], logits.shape[-1]))
    return binary_cross_entropy_with_logits(logits.float(), share)


def zone_loss(logits: Tensor, zones: Tensor) -> Tensor:
    """Give the binary cross-entropy of six zones (B, 6): equation 2 of the paper."""
    return binary_cross_entropy_with_logits(logits.float(), zones)


def place_loss(place_logits: Tensor, zones: Tensor) -> Tensor:
    """
    Train the query selection: if the report names a zone, some place of the image must have a high logit for it.

    Args:
        place_logits: (B, N, 6); a smooth maximum over the N places gives the image's logits.
        zones: (B, 6), 0 or 1, or probabilities.
    """
    pooled = torch.logsumexp(place_logits.float(), dim=1) - math.log(place_logits.shape[1])
    return binary_cross_entropy_with_logits(pooled, zones)


def presence_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """
    Train "is there any infection": the cross-entropy of the mean logit of an image's likeliest 1 % of pixels.

    Args:
        logits: (B, 1, H, W) of the mask.
        masks: (B, 1, H, W), 0 or 1; an image with an empty mask has no infection.
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
