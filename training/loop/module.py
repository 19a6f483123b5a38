"""The LightningModule: one training step of SGSeg, and the figures that it logs."""

import functools
from typing import Any

import lightning
import torch
from timm.layers import DropPath, convert_sync_batchnorm
from torch import Tensor, distributed, nn

from sgseg_dicom.model.build import PRESETS, build_sgseg
from training.loop.batches import VALID_BATCH, Batch, padded
from training.loop.guidance import gets_true_report, mixed_words, rng_of_step, seed_of_layers, targets_of
from training.loop.losses import CoarseHeads, mask_loss, place_loss, presence_loss, zone_loss
from training.loop.schedule import optimizer_of
from training.recipe import Recipe


def copy_statistics_of_first_device(module: nn.Module) -> None:
    """
    Copy the batch statistics of the first device to every device.

    DDP does so before each step, but not before the first step after a validation. Where the statistics are held,
    each device would use its own in that step. A resumed run would differ: all its devices load those of the first.
    """
    if distributed.is_available() and distributed.is_initialized():
        for statistics in module.buffers():
            distributed.broadcast(statistics, 0)


def share_statistics(module: nn.Module) -> None:
    """
    Let every device compute the batch statistics over the whole batch; GPUs only.

    This is timm's function. Torch's own, which lightning calls, drops the activations that timm keeps in its
    normalisations.
    """
    convert_sync_batchnorm(module)


class SGSegTraining(lightning.LightningModule):
    """
    SGSeg in training.

    Args:
        recipe: what the run depends on.
        steps: of the whole run; the learning rate reaches its end there.
    """

    def __init__(self, recipe: Recipe, *, steps: int) -> None:
        super().__init__()
        self.recipe = recipe
        self.steps = steps
        self.model = build_sgseg(recipe.preset, guidance=recipe.guidance.report)
        leave_out_blocks(self.model.vision, recipe.drop_path)
        _, w16, w8, _ = PRESETS[recipe.preset].decoder_widths
        self.coarse = CoarseHeads((w16, w8))
        self._counts = torch.zeros(6, dtype=torch.float64)

    def on_train_epoch_start(self) -> None:
        """Hold the batch statistics in epochs where the recipe says so: the weights then adapt to them."""
        hold = self.recipe.phase_at(self.current_epoch).hold_statistics
        for module in self.model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.train(not hold)
                copy_statistics_of_first_device(module)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Guide each image by its own soft report, the true one or none; give the sum of the losses."""
        # Layers (stochastic depth) draw from torch's global generator, which no checkpoint keeps.
        torch.manual_seed(seed_of_layers(self.recipe, self.global_step, device=self.global_rank))
        weights = self.recipe.losses
        images = batch.images.to(memory_format=torch.channels_last)
        features, location = self.model.encode(images)
        drawn = self._drawn(batch)
        words = mixed_words(
            self.model.reports, location.zone_logits, batch.zones, self.recipe.guidance, drawn=drawn
        )
        mask_logits, maps = self.model.decoder(features, words)
        true_report = gets_true_report(drawn, self.recipe.guidance)
        masks, zones = targets_of(batch, self.recipe.opinions, true_report=true_report)
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
        loss = torch.stack(list(losses.values())).sum()
        self.log("loss", loss.detach(), on_step=True, on_epoch=False)
        return loss

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """
        Count pixels, zones and losses, under the model's own report, as inference does.

        The sums stay on the device until the epoch ends: each copy would make the processor wait for the GPU.
        """
        count = len(batch.images)
        output = self.model(padded(batch.images, VALID_BATCH).to(memory_format=torch.channels_last))
        logits, zone_logits = output.mask_logits[:count], output.location.zone_logits[:count]
        mask, truth = logits > 0, batch.masks > 0.5
        right = (zone_logits > 0) == (batch.zones > 0.5)
        loss = mask_loss(logits, batch.masks) + self.recipe.losses.zones * zone_loss(zone_logits, batch.zones)
        sums = ((mask & truth).sum() * 2, mask.sum() + truth.sum(), right.sum())
        counted = torch.stack([*(one.double() for one in sums), loss.double() * count])
        numbers = torch.tensor([right.numel(), count], dtype=torch.float64)
        self._counts = self._counts.to(counted.device)
        self._counts += torch.cat((counted, numbers.to(counted.device, non_blocking=True)))

    def on_validation_epoch_end(self) -> None:
        """Log micro Dice, zone accuracy and the loss of masks and zones over the split."""
        overlap, area, right, loss, bits, images = self._counts.tolist()
        figures = {
            "dice_micro": overlap / max(area, 1),
            "zone_accuracy": right / max(bits, 1),
            "loss": loss / max(images, 1),
        }
        self.log_dict({f"valid/{name}": value for name, value in figures.items()}, sync_dist=True)
        self._counts.zero_()

    def configure_optimizers(self) -> Any:
        """Give AdamW, with a warm-up and a cosine that ends below 1e-6 (paper section 3.3)."""
        return optimizer_of(self.model.vision.parameters(), self.parameters(), self.recipe, steps=self.steps)

    def _drawn(self, batch: Batch) -> Tensor:
        rng = rng_of_step(self.recipe, self.global_step, device=self.global_rank)
        return torch.rand(len(batch.zones), generator=rng).to(batch.zones.device)


def leave_out_blocks(encoder: nn.Module, rate: float) -> None:
    """
    Give the blocks of a timm encoder stochastic depth: probability 0 at the first block, *rate* at the last.

    It acts in training only and has no parameters, so the trained weights fit an ordinary encoder.
    """
    blocks = [
        module for module in encoder.modules() if isinstance(getattr(module, "drop_path", None), nn.Module)
    ]
    for place, block in enumerate(blocks):
        block.drop_path = DropPath(rate * place / max(1, len(blocks) - 1)) if rate else nn.Identity()


def keep_depthwise_in_full_precision(model: nn.Module) -> None:
    """
    Run depthwise convolutions in float32: on a CPU their bf16 backward pass is slow.

    Measured at 160 pixels, batch 32, user time on two cores: 45.8 ms an image instead of 52.9 ms.
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
