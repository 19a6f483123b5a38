"""The manifest of the image check's weights."""

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from sgseg_dicom.applicability.image_check import Limits
from sgseg_dicom.errors import WeightsError
from sgseg_dicom.release.manifest import MANIFEST_FILE, WEIGHTS_FILE, digest_of_file


class ImageCheckManifest(BaseModel):
    """
    Description of the weights.

    Attributes:
        format: of this file.
        sha256: of the weights file.
        identity: sha256 over everything that decides a result: weights and limits.
        limits: chosen on good valid images. They belong to one version of the weights.
        training: command, data with digest, commit.
        metrics: how many good images were refused, and how many bad ones were let through.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    sha256: str
    identity: str
    limits: Limits
    training: dict[str, Any]
    metrics: dict[str, Any]


def packaged_image_check() -> Path:
    """Give the folder of the weights that ship with the package."""
    return Path(__file__).parent.parent / "weights" / "view"


def require_image_check_file(folder: Path, manifest: ImageCheckManifest) -> Path:
    """
    Give the path of the weights file in *folder*.

    Raises:
        WeightsError: it is missing, or not the one of *manifest*.
    """
    path = folder / WEIGHTS_FILE
    if not path.is_file() or digest_of_file(path) != manifest.sha256:
        raise WeightsError(f"{path} is missing or not that of its manifest; copy both of the same release")
    return path


def read_image_check_manifest(folder: Path) -> ImageCheckManifest:
    """
    Read and check the manifest in *folder*.

    Raises:
        WeightsError: the manifest is missing, damaged or changed.
    """
    path = folder / MANIFEST_FILE
    try:
        manifest = ImageCheckManifest.model_validate_json(path.read_text())
    except FileNotFoundError:
        raise WeightsError(f"{path} is missing; weights without their manifest are not loaded") from None
    except ValidationError as error:
        raise WeightsError(f"{path} is not a manifest of this version: {error}") from None
    if manifest.identity != identity_of_image_check(manifest.sha256, manifest.limits):
        raise WeightsError(f"{path} was changed: its limits are not those of its release; restore it")
    return manifest


def identity_of_image_check(sha256: str, limits: Limits) -> str:
    """Give the sha256 over everything that decides a result."""
    return hashlib.sha256(f"{sha256}|{limits.model_dump_json()}".encode()).hexdigest()
