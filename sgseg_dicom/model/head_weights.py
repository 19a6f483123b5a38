"""Heads on disk: beside the weights whose features they read, with a manifest of their own."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from sgseg_dicom.errors import WeightsError
from sgseg_dicom.model.heads import Heads
from sgseg_dicom.model.sgseg import SGSeg
from sgseg_dicom.release.heads_manifest import (
    HEADS_FILE,
    HEADS_MANIFEST_FILE,
    HeadsManifest,
    identity_of_heads,
    read_heads,
)
from sgseg_dicom.release.manifest import digest_of_file
from sgseg_dicom.release.tensors import load_tensors


def load_heads(folder: Path, members: Sequence[SGSeg], *, weights: str) -> tuple[Heads, HeadsManifest] | None:
    """
    Load the heads in *folder*, in evaluation mode, float32, on the CPU; None where there are none.

    Args:
        folder: of the weights.
        members: the models; the manifest names the one whose features are read.
        weights: sha256 of the weights file.

    Raises:
        WeightsError: they are damaged or changed, or were made for other weights.
    """
    manifest = read_heads(folder, weights=weights)
    if manifest is None:
        return None
    path = folder / HEADS_FILE
    if manifest.member >= len(members):
        raise WeightsError(
            f"{folder / HEADS_MANIFEST_FILE} reads member {manifest.member}, counted from 0, and the weights have "
            f"{len(members)}; copy all files of one release"
        )
    heads = Heads(members[manifest.member].vision.channels, passes=manifest.passes)
    try:
        tensors = {name: torch.from_numpy(array) for name, array in load_tensors(path).items()}
        heads.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise WeightsError(f"{path} does not fit this version: {error}") from None
    return heads.eval().requires_grad_(False), manifest


def save_heads(heads: Heads, folder: Path, *, facts: dict[str, Any]) -> HeadsManifest:
    """
    Write heads and their manifest beside the weights in *folder*.

    Args:
        heads: trained.
        folder: of the weights.
        facts: the manifest's other fields: weights, member, size, passes, look, infection, training, metrics.
    """
    # In float32: the limits were chosen so. Not `save_file`: nobody else may read its file, whatever the umask.
    (folder / HEADS_FILE).write_bytes(
        save({name: tensor.contiguous() for name, tensor in heads.state_dict().items()})
    )
    manifest = HeadsManifest(format=1, sha256=digest_of_file(folder / HEADS_FILE), **facts)
    manifest = manifest.model_copy(update={"identity": identity_of_heads(manifest)})
    text = json.dumps(manifest.model_dump(mode="json"), indent=2) + "\n"
    (folder / HEADS_MANIFEST_FILE).write_text(text)
    return manifest
