"""Files of a run or of an export -> models in evaluation mode, and what is known of their training."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch.optim.swa_utils import update_bn

from sgseg_dicom.model.build import build_sgseg
from sgseg_dicom.model.sgseg import SGSeg
from sgseg_dicom.model.weights import load_members
from sgseg_dicom.release.manifest import WEIGHTS_FILE, digest_of_file, read_manifest
from training.data import Captions, DataError, Item
from training.data.folds import fold_at
from training.loop.batches import LoadedItems, PlainBatches
from training.provenance import commit_of_checkout, first_of, holds_statistics, runs_of

_STATISTICS_IMAGES, _STATISTICS_BATCH = 1024, 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """
    One model, in evaluation mode, with batch statistics of its own.

    Attributes:
        model: on the CPU, float32.
        preset: its sizes, see `sgseg_dicom.model.build`.
        facts: what its training depended on, for the manifest.
    """

    model: SGSeg
    preset: str
    facts: dict[str, Any]


def load_trained(source: Path, train: Sequence[Item]) -> list[Trained]:
    """
    Load the averaged (EMA) model of a checkpoint, or every model of a folder of weights.

    Args:
        source: last.ckpt of a run of `sgseg-train fit`, or a folder of exported weights.
        train: images to compute batch statistics on, if the run did not hold them.

    Raises:
        DataError, WeightsError: there is no such run, or the folder's weights cannot be loaded.
    """
    if source.is_dir() or source.name == WEIGHTS_FILE:
        return _members_of(source)
    model, facts = load_checkpoint(source)
    if not holds_statistics(facts):
        left_out = facts.get("left_out")  # what the run left out does not count in the statistics either
        compute_batch_statistics(model, train if left_out is None else fold_at(left_out).without(train))
    facts |= {"checkpoint": digest_of_file(source), "exported_from": commit_of_checkout()}
    return [Trained(model=model, preset=facts["recipe"]["preset"], facts=facts)]


def captions_of(source: Path) -> Captions:
    """
    Say which captions a run, or the first model of a folder of weights, learned from.

    Raises:
        DataError, WeightsError: there is no such run, or the folder has no manifest.
    """
    if source.is_dir() or source.name == WEIGHTS_FILE:
        history = first_of(read_manifest(source).training)
    elif (facts := source.parent / "run.json").is_file():
        history = json.loads(facts.read_text())
    else:
        raise DataError(
            f"{facts} is missing; name the last.ckpt of a run of `sgseg-train fit`, or a folder of weights"
        )
    return "refined" if runs_of(history)[0]["recipe"]["captions"] == "refined" else "original"


def _members_of(folder: Path) -> list[Trained]:
    members, manifest = load_members(folder)
    histories = manifest.training.get("members", [manifest.training])
    commit = commit_of_checkout()
    return [  # a member keeps the digest of the file that it first came from
        Trained(
            model=model,
            preset=manifest.preset,
            facts={"weights": manifest.sha256} | facts | {"calibrated_from": commit},
        )
        for model, facts in zip(members, histories, strict=True)
    ]


def load_checkpoint(path: Path) -> tuple[SGSeg, dict[str, Any]]:
    """
    Load the averaged (EMA) model of a checkpoint, and the facts of its run.

    Raises:
        DataError: there is no such run, or its checkpoint is damaged.
    """
    facts_path = path.parent / "run.json"
    if not path.is_file() or not facts_path.is_file():
        raise DataError(
            f"{path} or run.json beside it is missing; name the last.ckpt of a run of `sgseg-train fit`"
        )
    facts = json.loads(facts_path.read_text())
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=False)  # a file of our own run
    except (RuntimeError, EOFError, UnpicklingError, KeyError) as error:
        raise DataError(
            f"{path} is damaged ({type(error).__name__}), and `sgseg-train fit` cannot go on from it either; "
            "begin a new run"
        ) from error
    recipe = facts["recipe"]  # runs before 0.4.0 had soft reports alone
    model = build_sgseg(recipe["preset"], guidance=recipe.get("guidance", {}).get("report", "soft"))
    prefix = "model."
    model.load_state_dict(
        {
            name.removeprefix(prefix): value
            for name, value in checkpoint["state_dict"].items()
            if name.startswith(prefix)
        }
    )
    return model.eval(), facts | {
        "epochs_done": checkpoint["epoch"] + 1,
        "steps_done": checkpoint["global_step"],
    }


def compute_batch_statistics(model: SGSeg, items: Sequence[Item]) -> None:
    """
    Compute the statistics of the batch normalisations anew, over *items* without augmentation.

    Averaged weights have no statistics of their own. Statistics that were averaged with the weights would contain a
    share of their start.
    """
    order = np.random.default_rng(0).permutation(len(items))[:_STATISTICS_IMAGES]
    loaded = LoadedItems([items[place] for place in order])
    update_bn(PlainBatches(loaded, batch_size=_STATISTICS_BATCH), model)
    model.eval()
