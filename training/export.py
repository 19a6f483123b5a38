"""Checkpoint -> weights, manifest and model card: calibrated and measured on the valid split."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sgseg_dicom import __version__
from sgseg_dicom.infer import load_network
from sgseg_dicom.model.build import build_sgseg
from sgseg_dicom.model.sgseg import SGSeg
from sgseg_dicom.model.weights import Manifest, load_weights, save_weights
from training.calibrate import NEUTRAL_CALIBRATION, OPEN_THRESHOLDS, calibrate
from training.data import DataError, Item
from training.evaluate import evaluate, predict


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """
    How the weights are called.

    Attributes:
        name: of the algorithm, for example "SGSeg compact".
        version: of the weights' release.
    """

    name: str
    version: str = __version__


def load_checkpoint(path: Path) -> tuple[SGSeg, dict[str, Any]]:
    """
    Load the averaged (EMA) model of a checkpoint, and the facts of its run.

    Raises:
        DataError: there is no such run.
    """
    facts_path = path.parent / "run.json"
    if not path.is_file() or not facts_path.is_file():
        raise DataError(f"{path} or run.json beside it is missing; name the last.ckpt of a run of `sgseg-train fit`")
    facts = json.loads(facts_path.read_text())
    checkpoint = torch.load(path, map_location="cpu", weights_only=False)  # our own run's file
    model = build_sgseg(facts["recipe"]["preset"])
    prefix = "model."
    model.load_state_dict(
        {name.removeprefix(prefix): value for name, value in checkpoint["state_dict"].items() if name.startswith(prefix)}
    )
    return model.eval(), facts | {"epochs_done": checkpoint["epoch"] + 1, "steps_done": checkpoint["global_step"]}


def export(checkpoint: Path, valid: Sequence[Item], normals: Sequence[Item], *, out: Path, release: Release) -> Manifest:
    """
    Write weights, manifest and MODEL_CARD.md to folder *out*.

    The weights are written first in half precision and calibrated and measured as they are loaded again, so
    that the figures are those of what ships.
    """
    model, facts = load_checkpoint(checkpoint)
    described: dict[str, Any] = {
        "name": release.name,
        "version": release.version,
        "preset": facts["recipe"]["preset"],
        "calibration": NEUTRAL_CALIBRATION,
        "thresholds": OPEN_THRESHOLDS,
        "training": facts | {"commit": _commit()},
        "metrics": {},
    }
    save_weights(model, out, facts=described)
    raw = load_network(out)
    calibration, thresholds = calibrate(valid, predict(raw, valid), predict(raw, normals))
    described |= {"calibration": calibration, "thresholds": thresholds}
    save_weights(load_weights(out)[0], out, facts=described)
    described["metrics"] = {"split": "valid"} | evaluate(load_network(out), valid, normals)
    manifest = save_weights(load_weights(out)[0], out, facts=described)
    (out / "MODEL_CARD.md").write_text(model_card(manifest))
    return manifest


def model_card(manifest: Manifest) -> str:
    """Write what a reader must know before using the weights."""
    figures, data = manifest.metrics, manifest.training["train"]
    normals = figures.get("normals", {})

    def figure(name: str) -> str:
        low, high = figures[f"{name}_ci"]
        return f"{figures[name]:.3f} ({low:.3f} to {high:.3f})"

    return f"""# {manifest.name} {manifest.version}

Weights `{manifest.sha256}`, preset `{manifest.preset}`, {manifest.guidance} guidance by its own location report.

**A research model. Drafts for a radiologist; not a medical device, not for diagnosis alone, not to rule out.**

| | |
|---|---|
| made for | frontal (PA, AP) chest radiographs of adults |
| trained on | {data["infected"]} infected radiographs of QaTa-COV19 (train) and {data["normal"]} normal ones of the COVID-19 Radiography Database (train); data digest `{data["digest"][:16]}` |
| chosen and calibrated on | QaTa-COV19 valid ({figures["images"]} images) and {normals.get("images", 0)} normal valid radiographs |
| micro Dice, valid, text-free | {figure("dice_micro")} |
| Dice per image | {figure("dice_mean")} |
| zone accuracy | {figure("zone_accuracy")} |
| infected images with a finding | {figure("sensitivity")} |
| normal images with a finding | {normals.get("any_mask_rate", float("nan")):.3f} |

Intervals are 95 %, by a bootstrap over patients. The valid split also chose the thresholds: expect less elsewhere.

Limits: every infected image is COVID-19 or suspected COVID-19; other opacities were never told apart. Normal and
infected images came from different sources. No children, no lateral views. Other hospitals' images were not tried.
"""


def _commit() -> str:
    """Give the commit of this checkout, "-dirty" where files are changed; "unknown" outside one."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()
