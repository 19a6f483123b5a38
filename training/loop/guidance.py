"""Which report guides each image of a batch in training (its own, the true one, or none), and its targets."""

import torch
from torch import Tensor

from sgseg_dicom.model.report_table import ReportTable
from training.loop.batches import Batch
from training.recipe import Guidance, Recipe


def mixed_words(
    reports: ReportTable, zone_logits: Tensor, zones: Tensor, share: Guidance, *, drawn: Tensor
) -> Tensor:
    """
    Give each image its own report (soft, or one sentence, as the recipe says), the true one or none.

    Most images get their own report: training then uses what inference uses.

    Args:
        reports: the table of all 64.
        zone_logits: (B, 6), of the model.
        zones: (B, 6), the true ones.
        share: the shares of a batch that get the true report, and none.
        drawn: (B,), a random number from 0 to 1 for each image; it decides which report (`gets_true_report`).

    Returns:
        embedded reports (B, 24, text width)
    """
    words = reports.soft(zone_logits) if share.report == "soft" else reports.hard(zone_logits > 0)
    words = torch.where(gets_true_report(drawn, share)[:, None, None], reports.hard(zones), words)
    return torch.where((drawn > 1 - share.none)[:, None, None], torch.zeros_like(words), words)


def targets_of(batch: Batch, share: float, *, true_report: Tensor) -> tuple[Tensor, Tensor]:
    """
    Give the targets, masks (B, 1, H, W) and zones (B, 6): those of the data, mixed with *share* of the teachers'.

    Images that get the *true_report* (B,) learn from the data alone, since the teachers' masks were made without it.
    The teachers' zones are always made without it: mixing is left out for them only to have one rule for an image.
    """
    if batch.teacher_masks is None or batch.teacher_zones is None:
        return batch.masks, batch.zones
    weight = torch.where(true_report, 0.0, share)
    return (
        torch.lerp(batch.masks, batch.teacher_masks, weight[:, None, None, None]),
        torch.lerp(batch.zones, batch.teacher_zones, weight[:, None]),
    )


def gets_true_report(drawn: Tensor, share: Guidance) -> Tensor:
    """Say which images (B,) get the true report: those whose number *drawn* is below its share."""
    return drawn < share.ground_truth


def rng_of_step(recipe: Recipe, step: int, *, device: int = 0) -> torch.Generator:
    """Give the random generator of one step on one device. It depends on nothing else: resumed runs draw the same."""
    return torch.Generator().manual_seed(_seed_of_step(recipe, step, device))


def seed_of_layers(recipe: Recipe, step: int, *, device: int = 0) -> int:
    """Give the seed of the random numbers of layers, in one step on one device; not the seed of its guidance."""
    return _seed_of_step(recipe, step, device) + 500_000_003


def _seed_of_step(recipe: Recipe, step: int, device: int) -> int:
    return recipe.seed * 100_003 + step + device * 1_000_000_007
