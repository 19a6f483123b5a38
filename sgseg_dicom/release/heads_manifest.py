"""The manifest of the heads that lie beside the weights whose features they read."""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sgseg_dicom.errors import WeightsError
from sgseg_dicom.model_records import LookLimits
from sgseg_dicom.release.manifest import Manifest, digest_of_file

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
            (`sgseg_dicom.release.manifest.Thresholds.infection`) and these too.
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


def read_heads(folder: Path, *, weights: str) -> HeadsManifest | None:
    """
    Read the manifest of the heads in *folder*, and check that all files belong together; None: there are no heads.

    Args:
        folder: of the weights.
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
    return manifest


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
