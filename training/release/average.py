"""Several runs that began with the same weights -> one model: the mean of their weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from sgseg_dicom import __version__
from sgseg_dicom.errors import ConfigError
from sgseg_dicom.model.build import build_sgseg
from sgseg_dicom.model.sgseg import SGSeg
from sgseg_dicom.model.weights import save_weights
from sgseg_dicom.release.manifest import Manifest
from training.data import Item
from training.data.folds import fold_at
from training.provenance import commit_of_checkout, runs_of
from training.recipe import Recipe
from training.release.calibrate import NEUTRAL_CALIBRATION, OPEN_THRESHOLDS
from training.release.checkpoints import (
    Trained,
    compute_batch_statistics,
    load_trained,
)
from training.start.pretrained import load_pretrained


def average(sources: Sequence[Path], train: Sequence[Item], *, out: Path) -> Manifest:
    """
    Write the mean of models to folder *out*. A run can begin with it, or `export` can calibrate and measure it.

    A mean makes sense only if all models began with the same weights and did not go far (model soups, Wortsman et al.
    2022, arXiv:2203.05482): models that began differently compute the same things in different places. With one
    source, *out* gets that model.

    Args:
        sources: last.ckpt of runs, or folders of weights of one model each.
        train: images to compute batch statistics on, if a run did not hold them.
        out: folder; weights in it are replaced.

    Raises:
        DataError, WeightsError: there is no such run, or a folder's weights cannot be loaded.
        ConfigError: a folder holds several models, or the models differ in preset, guidance or start.
    """
    trained = [_only(source, load_trained(source, train)) for source in sources]
    _check_alike(trained)
    facts = [one.facts for one in trained]
    models = [one.model for one in trained]
    same_statistics = _same_statistics(models)
    mean = mean_of(models)
    if not same_statistics:
        # The mean of the models' statistics is not the statistics of the mean model.
        compute_batch_statistics(mean, _learned_by_all(facts, train))
    history = facts[0] if len(facts) == 1 else {"train": facts[0]["train"], "averaged": facts}
    return _write_uncalibrated(mean, out, preset=trained[0].preset, history=history)


def _learned_by_all(facts: Sequence[dict[str, Any]], train: Sequence[Item]) -> Sequence[Item]:
    """Leave out the part that all runs left out. Runs of different parts have learned from all images together."""
    parts = {run.get("left_out") for one in facts for run in runs_of(one)}
    part = parts.pop() if len(parts) == 1 else None
    return train if part is None else fold_at(part).without(train)


def _write_uncalibrated(model: SGSeg, out: Path, *, preset: str, history: dict[str, Any]) -> Manifest:
    out.mkdir(parents=True, exist_ok=True)
    (out / "MODEL_CARD.md").unlink(missing_ok=True)  # of earlier weights
    described = {
        "name": "SGSeg, not calibrated",
        "version": __version__,
        "preset": preset,
        "calibration": NEUTRAL_CALIBRATION,
        "thresholds": OPEN_THRESHOLDS,
        "training": history,
        "metrics": {},
    }
    return save_weights(model, out, facts=described)


def write_start(recipe: Recipe, out: Path) -> Manifest:
    """
    Write the model that *recipe* begins with to folder *out*, in half precision: pretrained and random parts.

    Raises:
        DataError: pretrained weights are missing, or have another architecture.
    """
    torch.manual_seed(recipe.seed)
    model = build_sgseg(recipe.preset, guidance=recipe.guidance.report)
    load_pretrained(model, recipe)
    began = {"recipe": recipe.model_dump(mode="json"), "commit": commit_of_checkout(), "steps_done": 0}
    return _write_uncalibrated(model, out, preset=recipe.preset, history=began)


def _only(source: Path, trained: Sequence[Trained]) -> Trained:
    if len(trained) > 1:
        raise ConfigError(f"{source} holds an ensemble of {len(trained)} models; name one model")
    return trained[0]


def _check_alike(trained: Sequence[Trained]) -> None:
    if len(trained) == 1:
        return
    kinds = {(one.preset, one.model.guidance) for one in trained}
    if len(kinds) > 1:
        raise ConfigError(f"models of different preset or guidance, {sorted(kinds)}, have no mean")
    runs = [run for one in trained for run in runs_of(one.facts)]
    if drawn := sorted({part for run in runs for part in run["recipe"].get("renew", ())}):
        raise ConfigError(
            f"each run drew parts of its own anew ({', '.join(drawn)}): their mean is no model; name runs of recipes "
            "without `renew`"
        )
    starts = {_start_of(one.facts) for one in trained}
    if None in starts or len(starts) > 1:
        named = ", ".join(sorted(start[:8] if start else "none" for start in starts))
        raise ConfigError(
            f"the runs began with different weights ({named}), or each with its own: their mean is no model; "
            "name runs of one --start-from"
        )


def _start_of(facts: dict[str, Any]) -> str | None:
    """Give the digest of the weights that the run began with; None: it began with random or pretrained ones."""
    began = runs_of(facts)[0].get("started_from")
    return None if began is None else str(began["weights"])


def _same_statistics(models: Sequence[SGSeg]) -> bool:
    """Say whether all have the same batch statistics: those of their start, which every run held."""
    first, *others = (
        {name: buffer for name, buffer in model.named_buffers() if "running_" in name} for model in models
    )
    return all(torch.equal(buffer, other[name]) for other in others for name, buffer in first.items())


def mean_of(models: Sequence[SGSeg]) -> SGSeg:
    """Fill the first of *models* with the mean of all their float tensors; give it. Its counts stay."""
    if len(models) == 1:
        return models[0]
    states = [model.state_dict() for model in models]
    models[0].load_state_dict(
        {
            name: sum(state[name] for state in states) / len(states) if tensor.is_floating_point() else tensor
            for name, tensor in states[0].items()
        }
    )
    return models[0]
