"""Checkpoint -> weights, manifest and model card: calibrated and measured on the valid split."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch.optim.swa_utils import update_bn

from sgseg_dicom import __version__
from sgseg_dicom.errors import ConfigError
from sgseg_dicom.infer import load_network
from sgseg_dicom.model.build import build_sgseg
from sgseg_dicom.model.sgseg import SGSeg
from sgseg_dicom.model.storage import Bits
from sgseg_dicom.model.weights import Manifest, describe_weights, load_members, save_weights
from sgseg_dicom.preprocess import INPUT_SIZE
from training.batches import LoadedItems, PlainBatches
from training.calibrate import NEUTRAL_CALIBRATION, OPEN_THRESHOLDS, calibrate
from training.checkout import commit_of_checkout
from training.data import DataError, Item
from training.evaluate import evaluate, predict
from training.model_card import model_card

_SETTLING, _SETTLING_BATCH = 1024, 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """
    How the weights are called.

    Attributes:
        name: of the algorithm, for example "SGSeg compact".
        version: of the weights' release.
        test_time_flip: whether the mirror image is judged beside the image: twice the time of one model.
        test_time_sizes: rows and columns at which the image is judged, and the judgements averaged.
        bits: of a weight in the file.
    """

    name: str
    version: str = __version__
    test_time_flip: bool = False
    test_time_sizes: tuple[int, ...] = (INPUT_SIZE,)
    bits: Bits = 16


def load_checkpoint(path: Path) -> tuple[SGSeg, dict[str, Any]]:
    """
    Load the averaged (EMA) model of a checkpoint, and the facts of its run.

    Raises:
        DataError: there is no such run.
    """
    facts_path = path.parent / "run.json"
    if not path.is_file() or not facts_path.is_file():
        raise DataError(
            f"{path} or run.json beside it is missing; name the last.ckpt of a run of `sgseg-train fit`"
        )
    facts = json.loads(facts_path.read_text())
    checkpoint = torch.load(path, map_location="cpu", weights_only=False)  # our own run's file
    model = build_sgseg(facts["recipe"]["preset"])
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Splits:
    """
    What an export looks at.

    Attributes:
        train: images, normal ones included, for the statistics of the batch normalisations.
        valid: infected images to calibrate and measure on.
        valid_normals: normal ones; may be empty.
    """

    train: Sequence[Item]
    valid: Sequence[Item]
    valid_normals: Sequence[Item]


def settle_batch_statistics(model: SGSeg, items: Sequence[Item]) -> None:
    """
    Count the statistics of the batch normalisations anew, over *items* as inference sees them.

    An average of weights has no statistics of its own: averaged along with the weights they still hold a
    share of their start.
    """
    order = np.random.default_rng(0).permutation(len(items))[:_SETTLING]
    loaded = LoadedItems([items[place] for place in order])
    update_bn(PlainBatches(loaded, batch_size=_SETTLING_BATCH), model)
    model.eval()


def export(sources: Sequence[Path], splits: Splits, *, out: Path, release: Release) -> Manifest:
    """
    Write weights, manifest and MODEL_CARD.md to folder *out*, all or nothing; what was there is replaced.

    The weights are written first, as they ship, and calibrated and measured as they are loaded again, so
    that the figures are those of what ships.

    Args:
        sources: last.ckpt of a run, or a folder of exported weights that are to be judged in another way; several
            are models that judge together (`sgseg_dicom.looks`).
        splits: what to look at.
        out: folder; may be one of *sources*.
        release: name, and the way of judging.

    Raises:
        DataError, WeightsError: there is no such run, or the folder's weights cannot be loaded.
        ConfigError: models of different presets or guidance cannot judge together.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as folder:
        unfinished = Path(folder) / out.name
        manifest = _export(sources, splits, unfinished, release)
        (unfinished / "MODEL_CARD.md").write_text(model_card(manifest))
        shutil.rmtree(out, ignore_errors=True)
        unfinished.rename(out)
    return manifest


def _export(sources: Sequence[Path], splits: Splits, out: Path, release: Release) -> Manifest:
    valid, normals = splits.valid, splits.valid_normals
    loaded = [pair for source in sources for pair in _load(source, splits)]
    histories = [facts for _, facts in loaded]
    kinds = sorted({(facts["recipe"]["preset"], model.guidance) for model, facts in loaded})
    if len(kinds) > 1:
        raise ConfigError(
            f"models of different preset or guidance, {kinds}, cannot judge together; name alike ones"
        )
    described: dict[str, Any] = {
        "name": release.name,
        "version": release.version,
        "preset": kinds[0][0],
        "test_time_flip": release.test_time_flip,
        "test_time_sizes": release.test_time_sizes,
        "calibration": NEUTRAL_CALIBRATION,
        "thresholds": OPEN_THRESHOLDS,
        "training": _history(histories),
        "metrics": {},
    }
    written = save_weights([model for model, _ in loaded], out, facts=described, bits=release.bits)
    raw = load_network(out)
    calibration, thresholds = calibrate(valid, predict(raw, valid), predict(raw, normals))
    described |= {"calibration": calibration, "thresholds": thresholds}
    describe_weights(out, guidance=written.guidance, members=written.members, facts=described)
    described["metrics"] = {"split": "valid"} | evaluate(load_network(out), valid, normals)
    return describe_weights(out, guidance=written.guidance, members=written.members, facts=described)


def _history(histories: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Give what is known of the training: of one model; of several each one's, and the data of the first."""
    if len(histories) == 1:
        return histories[0]
    return {"train": histories[0]["train"], "members": list(histories)}


def _load(source: Path, splits: Splits) -> list[tuple[SGSeg, dict[str, Any]]]:
    """Give models in evaluation mode, their batch statistics settled, and what is known of each one's training."""
    if source.is_dir():
        members, manifest = load_members(source)
        histories = manifest.training.get("members", [manifest.training])
        commit = commit_of_checkout()
        return [  # a member keeps the digest of the file that it came from
            (model, {"weights": manifest.sha256} | facts | {"calibrated_from": commit})
            for model, facts in zip(members, histories, strict=True)
        ]
    model, facts = load_checkpoint(source)
    if not facts["recipe"]["phases"][-1].get("hold_statistics"):
        settle_batch_statistics(model, splits.train)
    return [(model, facts | {"exported_from": commit_of_checkout()})]
