"""Heads of random weights for the network "tiny", written beside its weights as a release has them."""

from pathlib import Path
from typing import Any

import torch

from sgseg_dicom.model.head_weights import save_heads
from sgseg_dicom.model.heads import Heads
from sgseg_dicom.model.weights import save_weights
from sgseg_dicom.model_records import Look, LookLimits, LookScores
from sgseg_dicom.release.heads_manifest import HeadsManifest
from sgseg_dicom.release.manifest import Calibration, Manifest, Thresholds
from tests.support.networks import tiny_model

LIMITS = LookLimits(
    lateral=2.0, child=1.0, child_of_stated_adult=3.0, mirrored=1.5, sure_of_side=2.5, check_weight=0.5
)
CALM = LookScores(lateral=-5.0, child=-5.0, mirrored=-5.0)
"""Scores of a good film, below each limit."""


def look(**scores: float) -> Look:
    """Give the look of a good film but for *scores*, at `LIMITS`."""
    return Look(scores=CALM._replace(**scores), limits=LIMITS)


def tiny_heads(*, passes: int = 1) -> Heads:
    """Build heads for the network "tiny"."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return Heads(tiny_model().vision.channels, passes=passes).eval()


def write_tiny_weights(folder: Path, *, seed: int = 0, **facts: Any) -> Manifest:
    """Write a tiny model that calls everything infected, and judges each image once."""
    given: dict[str, Any] = {
        "name": "SGSeg tiny",
        "version": "0",
        "preset": "tiny",
        "calibration": Calibration(zone_temperature=1.0, mask_temperature=1.0),
        "thresholds": Thresholds(infection=1e-6, zone=0.5, mask=1e-6),
        "training": {},
        "metrics": {},
    }
    return save_weights(tiny_model(seed=seed), folder, facts=given | facts)


def write_tiny_heads(
    folder: Path, weights: Manifest, *, heads: Heads | None = None, **facts: Any
) -> HeadsManifest:
    """Write heads beside the weights in *folder*; *facts* replace fields of their manifest."""
    heads = tiny_heads() if heads is None else heads
    given: dict[str, Any] = {
        "weights": weights.sha256,
        "member": 0,
        "size": 224,
        "passes": heads.passes,
        "look": LIMITS,
        "infection": 0.0,
        "training": {},
        "metrics": {},
    }
    return save_heads(heads, folder, facts=given | facts)
