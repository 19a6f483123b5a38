"""Each loss is small for right predictions and large for wrong ones."""

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from sgseg_dicom.model.build import build_sgseg
from training.loop.losses import coarse_mask_loss, mask_loss, place_loss, presence_loss, zone_loss

MASK = torch.zeros(2, 1, 32, 32)
MASK[0, :, :16] = 1
RIGHT, WRONG = (MASK * 2 - 1) * 8, (1 - MASK * 2) * 8


@pytest.mark.parametrize("loss", [mask_loss, coarse_mask_loss, presence_loss])
def test_a_loss_pulls_to_the_mask(loss):
    """One infected image and one that is not."""
    assert loss(RIGHT, MASK) < 0.1 < loss(WRONG, MASK)


def test_the_loss_of_zones_pulls_to_the_zones():
    """Equation 2 of the paper."""
    zones = torch.tensor([[1.0, 0, 0, 1, 0, 0]])

    assert zone_loss((zones * 2 - 1) * 8, zones) < 0.1 < zone_loss((1 - zones * 2) * 8, zones)


def test_the_dice_of_the_batch_counts_beside_the_cross_entropy():
    """Also if no image has a Dice of its own."""
    none = torch.tensor([False, False])

    assert mask_loss(WRONG, MASK, infected=none) > binary_cross_entropy_with_logits(WRONG, MASK) + 0.4


def test_the_loss_reaches_the_query_selection():
    """The score head that selects queries learns, which it does not in the published code."""
    model = build_sgseg("compact").train()
    _, location = model.encode(torch.randn(2, 1, 64, 64))

    place_loss(location.place_logits, torch.tensor([[1.0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1]])).backward()

    assert model.lerg.detector.enc_score_head.weight.grad.abs().sum() > 0
