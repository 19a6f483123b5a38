"""Data and recipe -> checkpoints. A run that is stopped goes on where it was: start it again with the same folder."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import (
    EMAWeightAveraging,
    LearningRateMonitor,
    ModelCheckpoint,
    TQDMProgressBar,
)
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only
from timm.layers import convert_sync_batchnorm
from torch import nn
from torch.utils.data import DataLoader

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.model.decoder import GuideLayer
from sgseg_dicom.model.weights import load_weights, read_manifest
from training.data import Item, digest_of
from training.data.folds import Fold
from training.git_commit import commit_of_checkout
from training.loop.batches import AugmentedBatches, Batch, LoadedItems, PlainBatches, Share
from training.loop.epoch_sampling import places_of_epoch
from training.loop.module import SGSegTraining, keep_depthwise_in_full_precision
from training.loop.precision import for_this_machine
from training.recipe import Recipe
from training.start.pretrained import load_pretrained
from training.teacher_predictions import Opinions

LAST = "last"
_VALID_BATCH = 16


class Epochs(lightning.LightningDataModule):
    """One loader an epoch, of the images and at the size that the recipe says."""

    def __init__(
        self,
        recipe: Recipe,
        train: Sequence[Item],
        valid: Sequence[Item],
        opinions: Opinions | None = None,
    ) -> None:
        super().__init__()
        self.recipe = recipe
        self.train, self.valid = LoadedItems(train, opinions), LoadedItems(valid)
        self.items = tuple(train)

    @property
    def steps(self) -> int:
        """
        Optimizer steps of the whole run.

        Raises:
            ConfigError: the images do not make one batch.
        """
        images, batch = len(places_of_epoch(self.items, self.recipe, 0)), self.recipe.batch_size
        if images < batch:
            raise ConfigError(f"{images} images make no batch of {batch}; lower the recipe's batch_size")
        return self.recipe.epochs * (images // batch)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Give the batches of the trainer's current epoch."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        phase = self.recipe.phase_at(epoch)
        batches = AugmentedBatches(
            self.train,
            places_of_epoch(self.items, self.recipe, epoch),
            epoch=epoch,
            sizes=(phase.size, *phase.other_sizes),
            batch_size=self.recipe.batch_size,
            seed=self.recipe.seed,
            strength=phase.augmentation,
            device=self.trainer.strategy.root_device if self.trainer else torch.device("cpu"),
        )
        if self.trainer:
            batches.share = Share(self.trainer.global_rank, self.trainer.world_size)
        return DataLoader(batches, batch_size=None)

    def val_dataloader(self) -> DataLoader[Batch]:
        """
        Give the valid split, as inference sees it; the whole of it to every device.

        Unequal shares would hang: DDP broadcasts the batch statistics at every forward pass.
        """
        return DataLoader(PlainBatches(self.valid, batch_size=_VALID_BATCH), batch_size=None)


class Averaging(EMAWeightAveraging):
    """Average of the weights; the checkpoint keeps both, the average as `state_dict`."""

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Average where the run computes: lightning copies the model before it has moved it to the GPU."""
        pl_module.to(trainer.strategy.root_device)
        super().setup(trainer, pl_module, stage)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Leave the current weights as they are: lightning's copy of the average would end in the last checkpoint."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """
    Where and how far a recipe is run.

    Attributes:
        out: folder of checkpoints and logs; a run found there is resumed.
        epochs: stop after so many epochs (to resume later); None: the recipe's end.
        start_from: folder of exported weights to begin with; None: the recipe's pretrained weights.
        opinions: of teachers on the train items, for a recipe that asks for them.
        devices: GPUs, or processes on the CPU, that share every batch (DDP); each starts this program again.
        left_out: part of the train images that it does not learn from; None: it learns from all.
    """

    out: Path
    epochs: int | None = None
    start_from: Path | None = None
    opinions: Opinions | None = None
    devices: int = 1
    left_out: Fold | None = None


def fit(recipe: Recipe, train: Sequence[Item], valid: Sequence[Item], run: Run) -> Path:
    """
    Train, or go on training; give the path of the last checkpoint.

    Args:
        recipe: what the run depends on.
        train: items to learn from.
        valid: items to measure each epoch on.
        run: where and how far.

    Raises:
        ConfigError: the batch cannot be shared evenly, the images make no batch, the recipe has fewer epochs, it
            asks for opinions and there are none (or the reverse), or the folder's run depends on something else.
        DataError: a caption or an opinion is missing, or pretrained weights are or have another architecture.
    """
    if recipe.batch_size % run.devices:
        raise ConfigError(f"a batch of {recipe.batch_size} cannot be shared evenly by {run.devices} devices")
    if (run.opinions is not None) != (recipe.opinions > 0):
        raise ConfigError(
            f"the recipe's share of opinions is {recipe.opinions:g}: name the file of `sgseg-train teach` with "
            "--opinions where it is above 0, and only there"
        )
    if run.epochs is not None and not 0 < run.epochs <= recipe.epochs:
        raise ConfigError(
            f"{run.epochs} epochs: the recipe has {recipe.epochs}; stop early, or change the recipe"
        )
    recipe = for_this_machine(recipe)
    if run.left_out is not None:
        train = run.left_out.without(train)
    lightning.seed_everything(recipe.seed)
    data = Epochs(recipe, train, valid, run.opinions)
    module = SGSegTraining(recipe, steps=data.steps)
    if run.start_from is None:
        load_pretrained(module.model, recipe)
    else:
        begin_with(module.model, load_weights(run.start_from)[0], renew=recipe.renew)
    if recipe.guide_scale is not None:
        wake_guides(module.model, recipe.guide_scale)
    module.to(memory_format=torch.channels_last)
    if not torch.cuda.is_available() and recipe.precision == "bf16-mixed":
        keep_depthwise_in_full_precision(module.model)
    run.out.mkdir(parents=True, exist_ok=True)
    if run.devices > 1 and torch.cuda.is_available():
        share_statistics(module)
    last = run.out / f"{LAST}.ckpt"
    settle_facts(run.out / "run.json", _facts(recipe, train, run), resumes=last.is_file())
    trainer = trainer_of(recipe, run.out, run.epochs or recipe.epochs, devices=run.devices)
    trainer.fit(module, datamodule=data, ckpt_path=str(last) if last.is_file() else None, weights_only=False)
    return last


def begin_with(model: nn.Module, start: nn.Module, *, renew: Sequence[str]) -> None:
    """
    Fill *model* with the weights of *start*, but for the parts named in *renew*.

    Raises:
        ConfigError: the model has no such part.
    """
    parts = {name for name, _ in model.named_children()}
    if unknown := sorted(set(renew) - parts):
        raise ConfigError(f"renew names {unknown}; the model's parts are {sorted(parts)}")
    fresh = {k: v for k, v in model.state_dict().items() if k.split(".")[0] in renew}
    model.load_state_dict(start.state_dict() | fresh)


def wake_guides(model: nn.Module, scale: float) -> None:
    """Let the report count *scale* in every cross-attention of the decoder."""
    for part in model.modules():
        if isinstance(part, GuideLayer):
            nn.init.constant_(part.scale, scale)


def share_statistics(module: nn.Module) -> None:
    """
    Let every device count the batch statistics of the whole batch; GPUs only.

    By timm's way: torch's own, which lightning calls, drops the activations that timm keeps in its normalisations.
    """
    convert_sync_batchnorm(module)


def trainer_of(recipe: Recipe, out: Path, epochs: int, *, devices: int = 1) -> lightning.Trainer:
    """Give the trainer of every run: averaging, a checkpoint an epoch, logs in *out*."""
    return lightning.Trainer(
        max_epochs=epochs,
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        precision=recipe.precision,
        gradient_clip_val=1.0,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        logger=CSVLogger(out, name="csv"),
        callbacks=[
            # Averaged statistics would hold a share of their start (variance 1) for hundreds of steps.
            Averaging(decay=recipe.ema_decay, use_buffers=False),
            # Without a monitor the newest one is kept; `save_last` would write at the very end only.
            ModelCheckpoint(out, filename=LAST, enable_version_counter=False, save_on_train_epoch_end=True),
            LearningRateMonitor("step"),
            TQDMProgressBar(refresh_rate=10),
        ],
    )


def _facts(recipe: Recipe, train: Sequence[Item], run: Run) -> dict[str, Any]:
    """Name what the run depends on."""
    began = None
    if run.start_from is not None:
        manifest = read_manifest(run.start_from)
        began = manifest.training | {"weights": manifest.sha256}
    return {
        "recipe": recipe.model_dump(mode="json"),
        "train": facts_of(train),
        "started_from": began,
        "opinions": None if run.opinions is None else run.opinions.facts,
        "devices": run.devices,
        "left_out": None if run.left_out is None else str(run.left_out),
    }


def facts_of(items: Sequence[Item]) -> dict[str, Any]:
    """Name a set of images: how many, and the digest of all that is in them."""
    return {
        "infected": sum(item.mask is not None for item in items),
        "normal": sum(item.mask is None for item in items),
        "digest": digest_of(items),
    }


def settle_facts(path: Path, facts: dict[str, Any], *, resumes: bool) -> None:
    """
    Write down what the run depends on, or check that a resumed run still depends on the same.

    The code may have changed meanwhile: `resumed_at` names each other commit that it went on with.

    Raises:
        ConfigError: recipe, data, start, opinions or devices are not those that the run began with.
    """
    if not resumes:
        _write(path, facts | {"commit": commit_of_checkout()})
        return
    written = json.loads(path.read_text())
    begun = {"devices": 1, "opinions": None, "left_out": None} | written  # runs from before there were such
    begun["recipe"] = Recipe.model_validate(begun["recipe"]).model_dump(mode="json")  # or before some key was
    if changed := [name for name in facts if facts[name] != begun.get(name)]:
        raise ConfigError(f"{path.parent} began with another {' and '.join(changed)}; name a new folder")
    before = written.get("resumed_at", [])
    if (commit := commit_of_checkout()) not in [written.get("commit"), *before]:
        _write(path, written | {"resumed_at": [*before, commit]})


@rank_zero_only
def _write(path: Path, facts: dict[str, Any]) -> None:
    path.write_text(json.dumps(facts, indent=2))
