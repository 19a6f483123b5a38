"""Heads on disk: beside the weights whose features they read, with a manifest of their own."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from sgseg_dicom.errors import WeightsError
from sgseg_dicom.model.heads import Heads
from sgseg_dicom.model.quantization import unpacked
from sgseg_dicom.model.sgseg import SGSeg
from sgseg_dicom.model.weights import Manifest, digest_of_file
from sgseg_dicom.model_records import LookLimits

HEADS_FILE = "heads.safetensors"
HEADS_MANIFEST_FILE = "heads.json"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HeadsManifest(_Record):
    """
    Description of the heads.

    Attributes:
        format: of this file.
        weights: sha256 of the weights file whose features they read.
        member, size: of the pass, over the image as it is, whose feature maps they read.
        passes: number of passes that the image-level judgement reads.
        sha256: of the heads' own file.
        identity: sha256 over everything here that decides a result.
        look: limits of what the image looks like.
        infection: the least natural log odds of an infected image. An image is infected where the zones say so
            (`sgseg_dicom.model.weights.Thresholds.infection`) and these too.
        training: command, data with digest and licence, commit.
        metrics: by source.
    """

    format: Literal[1]
    weights: str
    member: Annotated[int, Field(ge=0)]
    size: Annotated[int, Field(ge=64, multiple_of=32)]
    passes: Annotated[int, Field(ge=1)]
    sha256: str
    identity: str = ""
    look: LookLimits
    infection: float
    training: dict[str, Any]
    metrics: dict[str, Any]


def identity_of_heads(manifest: HeadsManifest) -> str:
    """Give the sha256 over everything that decides a result; see `HeadsManifest`."""
    parts = manifest.model_dump_json(
        include={"format", "weights", "member", "size", "passes", "sha256", "look", "infection"}
    )
    return hashlib.sha256(parts.encode()).hexdigest()


def joint_identity(manifest: Manifest, heads: HeadsManifest) -> str:
    """Give the sha256 over everything that decides a result of weights with heads: the Device UID comes from it."""
    return hashlib.sha256(f"{manifest.identity}|{heads.identity}".encode()).hexdigest()


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
    manifest_path, path = folder / HEADS_MANIFEST_FILE, folder / HEADS_FILE
    if not manifest_path.exists() and not path.exists():
        return None
    manifest = read_heads_manifest(folder)
    if manifest.weights != weights:
        raise WeightsError(
            f"{manifest_path} belongs to other weights ({manifest.weights[:12]}...); copy all files of one release, "
            f"or take {HEADS_MANIFEST_FILE} and {HEADS_FILE} out"
        )
    if not path.is_file() or digest_of_file(path) != manifest.sha256:
        raise WeightsError(f"{path} is missing or not that of its manifest; copy both of the same release")
    if manifest.member >= len(members):
        raise WeightsError(
            f"{manifest_path} reads member {manifest.member}, counted from 0, and the weights have {len(members)}; "
            "copy all files of one release"
        )
    heads = Heads(members[manifest.member].vision.channels, passes=manifest.passes)
    try:
        tensors = unpacked(load_file(path))
        heads.load_state_dict(tensors, strict=True)
    except (RuntimeError, SafetensorError) as error:
        raise WeightsError(f"{path} does not fit this version: {error}") from None
    if unsound := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise WeightsError(f"{path} has values that are no numbers in {unsound[:3]}; train the heads again")
    return heads.eval().requires_grad_(False), manifest


def read_heads_manifest(folder: Path) -> HeadsManifest:
    """
    Read and check the manifest of the heads in *folder*.

    Raises:
        WeightsError: it is missing, damaged or changed.
    """
    path = folder / HEADS_MANIFEST_FILE
    try:
        manifest = HeadsManifest.model_validate_json(path.read_text())
    except FileNotFoundError:
        raise WeightsError(
            f"{path} is missing; heads without their manifest are not loaded: copy both of the same release"
        ) from None
    except ValidationError as error:
        raise WeightsError(f"{path} is not a manifest of this version: {error}") from None
    if manifest.identity != identity_of_heads(manifest):
        raise WeightsError(f"{path} was changed: its limits are not those of its release; restore it")
    return manifest


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
