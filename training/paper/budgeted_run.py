"""One method trained with the recipe's budget: a plain loop that may stop anywhere, and goes on exactly there."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from training.evaluation.metrics import Counts, mask_metrics
from training.loop.batches import Batch
from training.loop.curves import METRICS, write_rows
from training.loop.data_module import Epochs
from training.loop.guidance import rng_of_step, seed_of_layers
from training.loop.schedule import optimizer_of
from training.paper.counting import count_masks
from training.paper.methods import Method
from training.recipe import Recipe

log = logging.getLogger(__name__)

_SECONDS_BETWEEN_CHECKPOINTS = 180
_CLIP = 1.0
_LAST, _BEST = "last.ckpt", "best.ckpt"


class BudgetedRun:
    """
    A run of one method, in a folder.

    The optimizer and the schedule are those of `fit`. Weights are not averaged. After each epoch the valid split is
    measured, and the weights of the epoch with the highest micro Dice are kept: validation chooses nothing else.

    Args:
        method: an nn.Module that is a `Method`.
        recipe: what the run depends on.
        data: train and valid.
        folder: of the checkpoints; a run that is there goes on.
        device: to train on.
    """

    def __init__(
        self, method: Method, recipe: Recipe, data: Epochs, folder: Path, *, device: torch.device
    ) -> None:
        self.recipe, self.data, self.folder, self.device = recipe, data, folder, device
        self.method = method
        self.module: nn.Module = method.to(device, memory_format=torch.channels_last)  # type: ignore[attr-defined]
        how = optimizer_of(method.encoder(), self.module.parameters(), recipe, steps=data.steps)
        self.optimizer, self.scheduler = how["optimizer"], how["lr_scheduler"]["scheduler"]
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "16-mixed")
        self.step = 0
        self.best = {"epoch": 0, "dice_micro": -1.0}
        self.history: list[dict[str, float]] = []
        self.seconds = 0.0
        self._loss_of_epoch = torch.zeros((), device=device)
        self._epoch: tuple[int, Any] | None = None
        if (folder / _LAST).is_file():
            self._load()

    @property
    def name(self) -> str:
        """The name and the seed of the run, for messages."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    def train(self, *, stops: Callable[[], bool] = lambda: False) -> bool:
        """Train to the end, or until *stops* says so after a step. Say whether the end is reached."""
        saved = time.monotonic()
        log.info("%s: begins at step %d of %d", self.name, self.step, self.data.steps)
        while self.step < self.data.steps and not stops():
            began = time.monotonic()
            self._train_step()
            self.seconds += time.monotonic() - began
            if self.step % self.data.steps_of_epoch == 0:
                self._end_epoch()
            elif time.monotonic() - saved > _SECONDS_BETWEEN_CHECKPOINTS:
                self._save()
                saved = time.monotonic()
        if self.step < self.data.steps:
            self._save()
            return False
        return True

    def load_best(self) -> None:
        """Load the weights of the chosen epoch."""
        self.module.load_state_dict(torch.load(self.folder / _BEST, map_location=self.device))

    def forget(self) -> None:
        """Delete what only an unfinished run needs: for the largest method these are gigabytes."""
        (self.folder / _LAST).unlink(missing_ok=True)

    def _train_step(self) -> None:
        epoch, place = divmod(self.step, self.data.steps_of_epoch)
        batch = _moved(self._batches(epoch).at(place), self.device)
        # Layers (stochastic depth) draw from torch's global generator, which no checkpoint keeps.
        torch.manual_seed(seed_of_layers(self.recipe, self.step))
        self.module.train()
        with self._precision():
            losses = self.method.losses(
                batch, self.step / self.data.steps, rng_of_step(self.recipe, self.step)
            )
        loss = torch.stack(list(losses.values())).sum()
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        clip_grad_norm_(self.module.parameters(), _CLIP)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.scheduler.step()
        self._loss_of_epoch += loss.detach()
        self.step += 1

    def _batches(self, epoch: int) -> Any:
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = (epoch, self.data.batches_of(epoch, self.recipe.seed, self.device))
        return self._epoch[1]

    def _precision(self) -> torch.autocast:
        lower = torch.float16 if self.recipe.precision == "16-mixed" else torch.bfloat16
        return torch.autocast(self.device.type, lower, enabled=self.recipe.precision != "32-true")

    def _end_epoch(self) -> None:
        """Measure valid, keep the weights if they are the best so far, and write the checkpoint."""
        figures = mask_metrics(self.count(next(iter(self.method.readings().values())))[0])
        epoch = self.step // self.data.steps_of_epoch
        loss = self._loss_of_epoch.item() / self.data.steps_of_epoch
        row = {"epoch": epoch, "loss": loss, "dice_micro": figures["dice_micro"]}
        self.history.append(row | {"dice_mean": figures["dice_mean"], "seconds": round(self.seconds, 1)})
        self._loss_of_epoch.zero_()
        if figures["dice_micro"] > self.best["dice_micro"]:
            self.best = {"epoch": epoch, "dice_micro": figures["dice_micro"]}
            _write(self.module.state_dict(), self.folder / _BEST)
        self._save()
        write_rows(self.folder / METRICS, [_as_row(one) for one in self.history])
        log.info("%s: epoch %d, loss %.4f, valid %.4f", self.name, epoch, loss, figures["dice_micro"])

    def count(self, predict: Callable[[Batch], tuple[Tensor, Tensor | None]]) -> tuple[Counts, bool]:
        """Count the valid split as `training.paper.counting` does, with one of the method's readings."""
        self.module.eval()
        with self._precision():
            return count_masks(predict, self.data.valid, size=self.recipe.phases[-1].size, device=self.device)

    def _save(self) -> None:
        kept = {name: getattr(self, name) for name in _PLAIN}
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        _write(kept | parts, self.folder / _LAST)

    def _load(self) -> None:
        state: Mapping[str, Any] = torch.load(
            self.folder / _LAST, map_location=self.device, weights_only=False
        )
        for name in _PLAIN:
            setattr(self, name, state[name])
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])


_PLAIN = ("step", "best", "history", "seconds", "_loss_of_epoch")
_PARTS = ("module", "optimizer", "scheduler", "scaler")


def _as_row(history: Mapping[str, float]) -> dict[str, Any]:
    """Give a row of metrics.csv, whose epochs are counted from 0."""
    figures = {f"valid/{name}": history[name] for name in ("dice_micro", "dice_mean")}
    numbers = {"epoch": int(history["epoch"]) - 1, "loss/all": history["loss"], "seconds": history["seconds"]}
    return numbers | figures


def _moved(batch: Batch, device: torch.device) -> Batch:
    return Batch(
        batch.images.to(device, memory_format=torch.channels_last),
        batch.masks.to(device),
        batch.zones.to(device),
    )


def _write(state: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint whole or not at all: a stop in the middle leaves the one before."""
    new = path.with_suffix(".new")
    torch.save(state, new)
    os.replace(new, path)
