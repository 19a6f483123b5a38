"""What guides each image of a batch in training (its own report, the true one, or none), and what it learns from."""

import torch
from torch import Tensor

from sgseg_dicom.model.report_table import ReportTable
from training.loop.batches import Batch
from training.recipe import Guidance, Recipe


def mixed_words(
    reports: ReportTable, zone_logits: Tensor, zones: Tensor, share: Guidance, *, drawn: Tensor
) -> Tensor:
    """
    Give each image its own soft report, the true one or none, so that training sees what inference sees.

    Args:
        reports: all 64.
        zone_logits: (B, 6), as the model has them.
        zones: (B, 6), as they are.
        share: of a batch that gets the true report, and of it that gets none.
        drawn: (B,), 0 to 1, of each image; below the first share it gets the true report (`is_told`).

    Returns:
        (B, 24, text width)
    """
    words = reports.soft(zone_logits)
    words = torch.where(is_told(drawn, share)[:, None, None], reports.hard(zones), words)
    return torch.where((drawn > 1 - share.none)[:, None, None], torch.zeros_like(words), words)


def believed(batch: Batch, share: float, *, told: Tensor) -> tuple[Tensor, Tensor]:
    """
    Give the targets: masks (B, 1, H, W) and zones (B, 6) of the data, and *share* of the teachers' opinions in them.

    Images that are *told* (B,) the true report learn from the data alone: the teachers' masks did not know it. (Their
    zones never do; one target for an image is simpler, and a few images then learn from the data alone.)
    """
    if batch.mask_opinions is None or batch.zone_opinions is None:
        return batch.masks, batch.zones
    weight = torch.where(told, 0.0, share)
    return (
        torch.lerp(batch.masks, batch.mask_opinions, weight[:, None, None, None]),
        torch.lerp(batch.zones, batch.zone_opinions, weight[:, None]),
    )


def is_told(drawn: Tensor, share: Guidance) -> Tensor:
    """Say which images (B,) get the true report."""
    return drawn < share.ground_truth


def chance_of_step(recipe: Recipe, step: int, *, device: int = 0) -> torch.Generator:
    """Give the chance of one step on one device: it depends on nothing else, so a resumed run goes the same way."""
    return torch.Generator().manual_seed(_seed_of_step(recipe, step, device))


def seed_of_layers(recipe: Recipe, step: int, *, device: int = 0) -> int:
    """Give the seed of what layers draw in one step on one device: another than that of its guidance."""
    return _seed_of_step(recipe, step, device) + 500_000_003


def _seed_of_step(recipe: Recipe, step: int, device: int) -> int:
    return recipe.seed * 100_003 + step + device * 1_000_000_007
