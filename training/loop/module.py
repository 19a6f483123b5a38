"""The LightningModule: one training step of SGSeg, and what it reports of itself."""

import functools
from typing import Any

import lightning
import torch
from timm.layers import DropPath
from torch import Tensor, distributed, nn

from sgseg_dicom.model.build import PRESETS, build_sgseg
from training.loop.batches import Batch
from training.loop.guidance import believed, chance_of_step, is_told, mixed_words, seed_of_layers
from training.loop.losses import CoarseHeads, mask_loss, place_loss, presence_loss, zone_loss
from training.loop.schedule import optimizer_of
from training.recipe import Recipe


def as_on_the_first(module: nn.Module) -> None:
    """
    Give every device the first one's batch statistics.

    DDP hands them out before each step, but not before the first one after a validation. Where they are held that
    step would see each device's own, and in a resumed run, whose devices all load the first one's, others.
    """
    if distributed.is_available() and distributed.is_initialized():
        for statistics in module.buffers():
            distributed.broadcast(statistics, 0)


class SGSegTraining(lightning.LightningModule):
    """
    SGSeg under training.

    Args:
        recipe: what the run depends on.
        steps: of the whole run; the learning rate ends there.
    """

    def __init__(self, recipe: Recipe, *, steps: int) -> None:
        super().__init__()
        self.recipe = recipe
        self.steps = steps
        self.model = build_sgseg(recipe.preset)
        leave_out_blocks(self.model.vision, recipe.drop_path)
        _, w16, w8, _ = PRESETS[recipe.preset].decoder_widths
        self.coarse = CoarseHeads((w16, w8))
        self._counts = torch.zeros(4, dtype=torch.float64)

    def on_train_epoch_start(self) -> None:
        """Hold the batch statistics in an epoch where the recipe says so: the weights then settle on them."""
        hold = self.recipe.phase_at(self.current_epoch).hold_statistics
        for module in self.model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.train(not hold)
                as_on_the_first(module)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Guide each image by its own soft report, the true one or none, and add up the losses."""
        # What layers draw (stochastic depth) comes from torch's own chance, which no checkpoint keeps.
        torch.manual_seed(seed_of_layers(self.recipe, self.global_step, device=self.global_rank))
        weights = self.recipe.losses
        images = batch.images.to(memory_format=torch.channels_last)
        features, location = self.model.encode(images)
        drawn = self._drawn(batch)
        words = mixed_words(
            self.model.reports, location.zone_logits, batch.zones, self.recipe.guidance, drawn=drawn
        )
        mask_logits, maps = self.model.decoder(features, words)
        masks, zones = believed(batch, self.recipe.opinions, told=is_told(drawn, self.recipe.guidance))
        losses = {
            "mask": mask_loss(mask_logits, masks, infected=batch.masks.flatten(1).any(dim=1)),
            "zones": weights.zones * zone_loss(location.zone_logits, zones),
            "places": weights.places * place_loss(location.place_logits, zones),
            "coarse": weights.coarse * self.coarse(maps, masks),
            "presence": weights.presence * presence_loss(mask_logits, batch.masks),
        }
        self.log_dict(
            {f"loss/{name}": loss.detach() for name, loss in losses.items()},
            on_epoch=True,
            on_step=False,
            sync_dist=True,
            batch_size=len(batch.zones),
        )
        return torch.stack(list(losses.values())).sum()

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Count pixels and zones, text-free, as inference does."""
        output = self.model(batch.images.to(memory_format=torch.channels_last))
        mask, zones = output.mask_logits > 0, output.location.zone_logits > 0
        truth = batch.masks > 0.5
        self._counts += torch.tensor(
            [
                2.0 * (mask & truth).sum().item(),
                float(mask.sum().item() + truth.sum().item()),
                (zones == (batch.zones > 0.5)).sum().item(),
                zones.numel(),
            ],
            dtype=torch.float64,
        )

    def on_validation_epoch_end(self) -> None:
        """Report micro Dice and zone accuracy over the split."""
        overlap, area, right, bits = self._counts.tolist()
        self.log_dict(
            {"valid/dice_micro": overlap / max(area, 1), "valid/zone_accuracy": right / max(bits, 1)},
            sync_dist=True,
        )
        self._counts.zero_()

    def configure_optimizers(self) -> Any:
        """AdamW; warm-up, then cosine to below 1e-6 at the real end (paper section 3.3)."""
        return optimizer_of(self.model.vision.parameters(), self.parameters(), self.recipe, steps=self.steps)

    def _drawn(self, batch: Batch) -> Tensor:
        chance = chance_of_step(self.recipe, self.global_step, device=self.global_rank)
        return torch.rand(len(batch.zones), generator=chance).to(batch.zones.device)


def leave_out_blocks(encoder: nn.Module, rate: float) -> None:
    """
    Give the blocks of a timm encoder stochastic depth, from 0 at the first to *rate* at the last.

    It acts in training only and has no parameters: the weights that result are an ordinary encoder's.
    """
    blocks = [
        module for module in encoder.modules() if isinstance(getattr(module, "drop_path", None), nn.Module)
    ]
    for place, block in enumerate(blocks):
        block.drop_path = DropPath(rate * place / max(1, len(blocks) - 1)) if rate else nn.Identity()


def keep_depthwise_in_full_precision(model: nn.Module) -> None:
    """
    Run depthwise convolutions in float32 on the CPU: their bf16 backward is slow there.

    Measured at 160 pixels, batch 32, user time on two cores: 45.8 ms an image instead of 52.9.
    """
    for convolution in model.modules():
        if isinstance(convolution, nn.Conv2d) and convolution.groups > 1 and _slow_backward(convolution):
            convolution.forward = functools.partial(_full_precision, convolution.forward)  # type: ignore[method-assign]


def _slow_backward(convolution: nn.Conv2d) -> bool:
    return convolution.kernel_size[0] > 3 or convolution.stride[0] > 1


def _full_precision(forward: Any, x: Tensor) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        result: Tensor = forward(x.float())
        return result
