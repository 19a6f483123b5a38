"""What guides each image of a batch in training: its own report, the true one, or none."""

import torch
from torch import Tensor

from sgseg_dicom.model.text import ReportTable
from training.recipe import Guidance, Recipe


def mixed_words(
    reports: ReportTable, zone_logits: Tensor, zones: Tensor, share: Guidance, *, chance: torch.Generator
) -> Tensor:
    """
    Give each image its own soft report, the true one or none, so that training sees what inference sees.

    Args:
        reports: all 64.
        zone_logits: (B, 6), as the model has them.
        zones: (B, 6), as they are.
        share: of a batch that gets the true report, and of it that gets none.
        chance: on the CPU; decides for each image.

    Returns:
        (B, 24, text width)
    """
    drawn = torch.rand(len(zones), 1, 1, generator=chance).to(zones.device)
    words = reports.soft(zone_logits)
    words = torch.where(drawn < share.ground_truth, reports.hard(zones), words)
    return torch.where(drawn > 1 - share.none, torch.zeros_like(words), words)


def chance_of_step(recipe: Recipe, step: int, *, device: int = 0) -> torch.Generator:
    """Give the chance of one step on one device: it depends on nothing else, so a resumed run goes the same way."""
    return torch.Generator().manual_seed(recipe.seed * 100_003 + step + device * 1_000_000_007)
