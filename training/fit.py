"""Data and recipe -> checkpoints. A run that is stopped goes on where it was: start it again with the same folder."""

import json
from collections.abc import Sequence
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
from torch.utils.data import DataLoader

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.model.weights import load_weights, read_manifest
from training.batches import AugmentedBatches, Batch, LoadedItems, PlainBatches
from training.checkout import commit_of_checkout
from training.data import Item, digest_of
from training.module import SGSegTraining, keep_depthwise_in_full_precision
from training.pretrained import load_image_encoder, load_text_encoder
from training.recipe import Recipe

LAST = "last"
_VALID_BATCH = 16


class Epochs(lightning.LightningDataModule):
    """One loader an epoch, at the size that the recipe says; normal radiographs stand in it more than once."""

    def __init__(self, recipe: Recipe, train: Sequence[Item], valid: Sequence[Item]) -> None:
        super().__init__()
        self.recipe = recipe
        self.train, self.valid = LoadedItems(train), LoadedItems(valid)
        self.order = [
            place
            for place, item in enumerate(train)
            for _ in range(1 if item.mask is not None else recipe.normals_repeat)
        ]

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.recipe.epochs * (len(self.order) // self.recipe.batch_size)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Give the batches of the trainer's current epoch."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        return DataLoader(
            AugmentedBatches(
                self.train,
                self.order,
                epoch=epoch,
                size=self.recipe.phase_at(epoch).size,
                batch_size=self.recipe.batch_size,
                seed=self.recipe.seed,
            ),
            batch_size=None,
        )

    def val_dataloader(self) -> DataLoader[Batch]:
        """Give the valid split, as inference sees it."""
        return DataLoader(PlainBatches(self.valid, batch_size=_VALID_BATCH), batch_size=None)


class Averaging(EMAWeightAveraging):
    """Average of the weights; the checkpoint keeps both, the average as `state_dict`."""

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Leave the current weights as they are: lightning's copy of the average would end in the last checkpoint."""


def fit(
    recipe: Recipe,
    train: Sequence[Item],
    valid: Sequence[Item],
    *,
    out: Path,
    epochs: int | None = None,
    start_from: Path | None = None,
) -> Path:
    """
    Train, or go on training, in folder *out*; give the path of the last checkpoint.

    Args:
        recipe: what the run depends on.
        train: items to learn from.
        valid: items to measure each epoch on.
        out: folder of checkpoints and logs; a run found there is resumed.
        epochs: stop after so many epochs (to resume later); None: the recipe's end.
        start_from: folder of exported weights to begin with; None: the recipe's pretrained image encoder.
    """
    lightning.seed_everything(recipe.seed)
    data = Epochs(recipe, train, valid)
    module = SGSegTraining(recipe, steps=data.steps)
    if start_from is None:
        load_image_encoder(module.model.vision, recipe.image_weights)
        module.model.reports.fill(load_text_encoder(recipe.text_encoder))
    else:
        module.model.load_state_dict(load_weights(start_from)[0].state_dict())
    module.to(memory_format=torch.channels_last)
    if not torch.cuda.is_available() and recipe.precision == "bf16-mixed":
        keep_depthwise_in_full_precision(module.model)
    out.mkdir(parents=True, exist_ok=True)
    last = out / f"{LAST}.ckpt"
    began = None
    if start_from is not None:
        manifest = read_manifest(start_from)
        began = manifest.training | {"weights": manifest.sha256}
    _settle_facts(out / "run.json", recipe, train, began, resumes=last.is_file())
    trainer = trainer_of(recipe, out, epochs or recipe.epochs)
    trainer.fit(module, datamodule=data, ckpt_path=str(last) if last.is_file() else None, weights_only=False)
    return last


def trainer_of(recipe: Recipe, out: Path, epochs: int) -> lightning.Trainer:
    """Give the trainer of every run: averaging, a checkpoint an epoch, logs in *out*."""
    return lightning.Trainer(
        max_epochs=epochs,
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


def _settle_facts(
    path: Path, recipe: Recipe, train: Sequence[Item], began: dict[str, Any] | None, *, resumes: bool
) -> None:
    """
    Write down what the run depends on, or check that a resumed run still depends on the same.

    Raises:
        ConfigError: recipe or data are not those that the run began with.
    """
    facts = {
        "recipe": recipe.model_dump(mode="json"),
        "train": {
            "infected": sum(item.mask is not None for item in train),
            "normal": sum(item.mask is None for item in train),
            "digest": digest_of(train),
        },
        "started_from": began,
    }
    if resumes:
        begun = json.loads(path.read_text())
        if changed := [name for name in facts if facts[name] != begun.get(name)]:
            raise ConfigError(f"{path.parent} began with another {' and '.join(changed)}; name a new folder")
        return
    path.write_text(json.dumps(facts | {"commit": commit_of_checkout()}, indent=2))
