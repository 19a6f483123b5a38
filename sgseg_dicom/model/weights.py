"""Weights on disk: one safetensors file, and a manifest that describes it. A mismatch stops the start."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from sgseg_dicom.errors import WeightsError
from sgseg_dicom.model.build import build_sgseg
from sgseg_dicom.model.quantization import Bits, packed
from sgseg_dicom.model.sgseg import SGSeg
from sgseg_dicom.model_records import INPUT_SIZE
from sgseg_dicom.release.manifest import (
    MANIFEST_FILE,
    WEIGHTS_FILE,
    ZONE_NAMES,
    Guidance,
    Manifest,
    digest_of_file,
    identity_of,
    read_manifest,
    require_weights_file,
)
from sgseg_dicom.release.tensors import load_tensors


def load_weights(folder: Path) -> tuple[SGSeg, Manifest]:
    """
    Load a model in evaluation mode, float32, on the CPU; of several members the first one, to train it further.

    Raises:
        WeightsError: see `load_members`.
    """
    members, manifest = load_members(folder)
    return members[0], manifest


def load_members(folder: Path) -> tuple[list[SGSeg], Manifest]:
    """
    Load all members in evaluation mode, float32, on the CPU.

    Args:
        folder: with manifest and weights file; or the path of one of the two.

    Raises:
        WeightsError: a file is missing or damaged; digest, zones or sizes do not fit; or a tensor is missing,
            unknown or of another shape.
    """
    manifest = read_manifest(folder)
    path = require_weights_file(folder, manifest)
    members = nn.ModuleList(
        build_sgseg(manifest.preset, guidance=manifest.guidance) for _ in range(manifest.members)
    )
    try:
        tensors = {name: torch.from_numpy(array) for name, array in load_tensors(path).items()}
        (members[0] if manifest.members == 1 else members).load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise WeightsError(f"{path} does not fit preset {manifest.preset!r}: {error}") from None
    members.eval().requires_grad_(False)
    return list(members), manifest  # type: ignore[arg-type]


def save_weights(
    members: SGSeg | Sequence[SGSeg], folder: Path, *, facts: dict[str, Any], bits: Bits = 16
) -> Manifest:
    """
    Write weights and their manifest.

    Args:
        members: one model, or several whose logits are averaged.
        folder: it is made if it is not there.
        facts: the manifest's other fields: name, version, preset, calibration, thresholds, training, metrics,
            test_time_flip, test_time_sizes.
        bits: per weight in the file, see `sgseg_dicom.model.quantization`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    several = [members] if isinstance(members, SGSeg) else list(members)
    state = several[0].state_dict() if len(several) == 1 else nn.ModuleList(several).state_dict()
    # Not `save_file`: nobody else may read its file, whatever the umask.
    (folder / WEIGHTS_FILE).write_bytes(save(packed(state, bits=bits)))
    return describe_weights(folder, guidance=several[0].guidance, members=len(several), facts=facts)


def describe_weights(folder: Path, *, guidance: Guidance, members: int, facts: dict[str, Any]) -> Manifest:
    """Write the manifest of the weights that lie in *folder*; see `save_weights`."""
    manifest = Manifest(
        format=2,
        guidance=guidance,
        members=members,
        zones=ZONE_NAMES,
        input_size=INPUT_SIZE,
        sha256=digest_of_file(folder / WEIGHTS_FILE),
        **facts,
    )
    manifest = manifest.model_copy(update={"identity": identity_of(manifest)})
    text = json.dumps(manifest.model_dump(mode="json"), indent=2) + "\n"
    (folder / MANIFEST_FILE).write_text(text)
    return manifest
