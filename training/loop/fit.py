"""Data and recipe -> checkpoints. A stopped run resumes when it is started again with the same folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from lightning.pytorch.callbacks import (
    EMAWeightAveraging,
    ModelCheckpoint,
)
from lightning.pytorch.loggers import TensorBoardLogger

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.model.weights import load_weights
from sgseg_dicom.release.manifest import read_manifest
from training.data import Item, digest_of
from training.data.folds import Fold
from training.loop.bar import Bar
from training.loop.curves import EpochRows
from training.loop.data_module import Epochs
from training.loop.environment import environment_of
from training.loop.initial_weights import fill_from, set_guide_scale
from training.loop.module import SGSegTraining, keep_depthwise_in_full_precision, share_statistics
from training.loop.precision import for_this_machine
from training.loop.run_facts import facts_of, record_facts
from training.recipe import Recipe
from training.start.pretrained import load_pretrained
from training.teacher_predictions import TeacherPredictions

LAST, BEST = "last", "best"


class Averaging(EMAWeightAveraging):
    """The moving average of the weights. The checkpoint has both: the average is its `state_dict`."""

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Average on the device of the run: lightning would copy the model before it moves it to the GPU."""
        pl_module.to(trainer.strategy.root_device)
        super().setup(trainer, pl_module, stage)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Keep the current weights: lightning would replace them by the average, also in the last checkpoint."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """
    Where and how far a recipe is run.

    Attributes:
        out: folder of checkpoints and logs; a run that is there is resumed.
        epochs: stop after so many epochs, to resume later; None: all epochs of the recipe.
        start_from: folder of exported weights to begin with; None: the recipe's pretrained weights.
        teacher_predictions: for the train items, for a recipe that needs them.
        devices: number of GPUs, or of processes on the CPU, that share every batch (DDP). For each but the first one
            lightning starts this program again.
        left_out: part of the train images that the run does not learn from; None: it learns from all.
        children_left_out: number of normal radiographs that are not among the train images, since they show children.
        settings: keys of the recipe that were set to other values, as they were written.
        tensorboard: whether to log for TensorBoard too.
    """

    out: Path
    epochs: int | None = None
    start_from: Path | None = None
    teacher_predictions: TeacherPredictions | None = None
    devices: int = 1
    left_out: Fold | None = None
    children_left_out: int = 0
    settings: tuple[str, ...] = ()
    tensorboard: bool = False


def fit(recipe: Recipe, train: Sequence[Item], valid: Sequence[Item], run: Run) -> Path:
    """
    Train, or resume a training; give the path of the last checkpoint.

    Args:
        recipe: what the run depends on.
        train: items to learn from.
        valid: items to measure each epoch on.
        run: where and how far.

    Raises:
        ConfigError: the devices cannot share the batch evenly; there are fewer images than one batch has; the recipe
            has fewer epochs; it needs teacher predictions and there are none (or the reverse); or the run in the
            folder depends on something else.
        DataError: a caption or a teacher prediction is missing; or pretrained weights are missing or have another
            architecture.
    """
    _require_possible(recipe, run)
    recipe = for_this_machine(recipe)
    if run.left_out is not None:
        train = run.left_out.without(train)
    lightning.seed_everything(recipe.seed, verbose=False)
    data = Epochs(recipe, train, valid, run.teacher_predictions)
    module = SGSegTraining(recipe, steps=data.steps)
    if run.start_from is None:
        load_pretrained(module.model, recipe)
    else:
        fill_from(module.model, load_weights(run.start_from)[0], renew=recipe.renew)
    if recipe.guide_scale is not None:
        set_guide_scale(module.model, recipe.guide_scale)
    module.to(memory_format=torch.channels_last)
    if not torch.cuda.is_available() and recipe.precision == "bf16-mixed":
        keep_depthwise_in_full_precision(module.model)
    run.out.mkdir(parents=True, exist_ok=True)
    if run.devices > 1 and torch.cuda.is_available():
        share_statistics(module)
    last = run.out / f"{LAST}.ckpt"
    record_facts(
        run.out / "run.json",
        _facts(recipe, train, run),
        resumes=last.is_file(),
        environment=environment_of(recipe.precision, valid_digest=digest_of(valid)),
    )
    trainer = trainer_of(recipe, run)
    trainer.fit(module, datamodule=data, ckpt_path=str(last) if last.is_file() else None, weights_only=False)
    return last


def _require_possible(recipe: Recipe, run: Run) -> None:
    if recipe.batch_size % run.devices:
        raise ConfigError(f"a batch of {recipe.batch_size} cannot be shared evenly by {run.devices} devices")
    if (run.teacher_predictions is not None) != (recipe.opinions > 0):
        raise ConfigError(
            f"the recipe's `opinions`, the share of teacher predictions in the targets, is {recipe.opinions:g}: name "
            "the file of `sgseg-train teach` with --opinions if it is above 0, and only then"
        )
    if run.epochs is not None and not 0 < run.epochs <= recipe.epochs:
        raise ConfigError(
            f"{run.epochs} epochs: the recipe has {recipe.epochs}; stop early, or change the recipe"
        )


def trainer_of(recipe: Recipe, run: Run) -> lightning.Trainer:
    """Give the trainer: it averages the weights, and writes checkpoints and figures after each epoch."""
    # Without a monitor it keeps the newest checkpoint; `save_last` would write at the very end only.
    how: dict[str, Any] = {"enable_version_counter": False}
    last = ModelCheckpoint(run.out, filename=LAST, save_on_train_epoch_end=True, **how)
    mode: Literal["min", "max"] = "min" if recipe.best == "loss" else "max"
    best = ModelCheckpoint(run.out, filename=BEST, monitor=f"valid/{recipe.best}", mode=mode, **how)
    return lightning.Trainer(
        max_epochs=run.epochs or recipe.epochs,
        devices=run.devices,
        strategy="ddp" if run.devices > 1 else "auto",
        precision=recipe.precision,
        gradient_clip_val=1.0,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        enable_model_summary=False,
        logger=_tensorboard(run.out) if run.tensorboard else False,
        callbacks=[
            # Averaged statistics would contain a share of their start (variance 1) for hundreds of steps.
            Averaging(decay=recipe.ema_decay, use_buffers=False),
            best,  # before `last`, which keeps what is the best so far
            EpochRows(run.out),
            Bar(),
            last,
        ],
    )


def _tensorboard(out: Path) -> TensorBoardLogger:
    try:
        return TensorBoardLogger(out, name="tensorboard", version="")
    except ModuleNotFoundError:
        raise ConfigError("--tensorboard needs a package; cure: pip install tensorboard") from None


def _facts(recipe: Recipe, train: Sequence[Item], run: Run) -> dict[str, Any]:
    """Describe what the run depends on; the keys are those of run.json."""
    began = None
    if run.start_from is not None:
        manifest = read_manifest(run.start_from)
        began = manifest.training | {"weights": manifest.sha256}
    predictions = run.teacher_predictions
    return {
        "recipe": recipe.model_dump(mode="json"),
        "train": facts_of(train, children_left_out=run.children_left_out),
        "started_from": began,
        "opinions": None if predictions is None else predictions.facts,
        "devices": run.devices,
        "left_out": None if run.left_out is None else str(run.left_out),
        "set": list(run.settings),
    }
