"""The manifest of a release of weights: what lies beside them, and what decides a result. Wrong ones are refused."""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sgseg_dicom.errors import WeightsError
from sgseg_dicom.model_records import INPUT_SIZE
from sgseg_dicom.zones import ZONES

Guidance = Literal["soft", "hard", "none"]
"""What guides the decoder: the expected report, the likeliest one, or none."""
WEIGHTS_FILE = "model.safetensors"
MANIFEST_FILE = "manifest.json"
ZONE_NAMES = tuple(zone.name for zone in ZONES)

_Probability = Annotated[float, Field(gt=0, lt=1)]
_Temperature = Annotated[float, Field(gt=0)]
_Size = Annotated[int, Field(ge=64, multiple_of=32)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Calibration(_Record):
    """Divisors of the logits, chosen on the valid split: they make the probabilities fit the frequencies."""

    zone_temperature: _Temperature
    mask_temperature: _Temperature


class Thresholds(_Record):
    """
    Lowest probabilities that count. They belong to one version of the weights.

    Attributes:
        infection: the lowest `sgseg_dicom.inference.network.infection_score` of an infected image. Below it there
            is no finding and no mask.
        zone: the lowest probability of a zone that an infected image names.
        mask: the lowest probability of a pixel that belongs to the mask of an infected image.
    """

    infection: _Probability
    zone: _Probability
    mask: _Probability


class Manifest(_Record):
    """
    Description of the weights.

    Attributes:
        format: of this file. Format 1 had infection thresholds of another score.
        name, version: of the model, as in the results.
        preset: its sizes, see `sgseg_dicom.model.build`.
        guidance: as in training.
        members: number of models in the file. Each was trained by itself; `sgseg_dicom.inference.ensemble` averages
            them.
        test_time_flip: whether there are passes over the mirror image too.
        test_time_sizes: rows and columns of the passes, each a multiple of 32.
        zones: order of the zone outputs, in PATIENT laterality.
        input_size: rows and columns of a model input.
        sha256: of the weights file.
        identity: sha256 over everything that decides a result: weights, calibration, thresholds, zones, guidance,
            members, flip and sizes. The Device UID of the results comes from it.
        training: recipe, data with digest, commit; of several members, the data and the training of each.
        metrics: measured on the valid split, with the model's own report.
    """

    format: Literal[2]
    name: str
    version: str
    preset: str
    guidance: Guidance
    members: Annotated[int, Field(ge=1)] = 1
    test_time_flip: bool = False
    test_time_sizes: Annotated[tuple[_Size, ...], Field(min_length=1)] = (INPUT_SIZE,)
    zones: tuple[str, ...]
    input_size: int
    sha256: str
    identity: str = ""
    calibration: Calibration
    thresholds: Thresholds
    training: dict[str, Any]
    metrics: dict[str, Any]


def identity_of(manifest: Manifest) -> str:
    """Give the sha256 over everything that decides a result; see `Manifest`."""
    parts = manifest.model_dump_json(
        include={"format", "sha256", "calibration", "thresholds", "zones", "guidance", "test_time_flip"}
        | {"preset", "input_size"}
        # Older weights know no sizes and no members. They keep the identity that they were released with.
        | ({"members"} if manifest.members > 1 else set())
        | ({"test_time_sizes"} if manifest.test_time_sizes != (INPUT_SIZE,) else set())
    )
    return hashlib.sha256(parts.encode()).hexdigest()


def packaged_weights() -> Path:
    """Give the folder of the weights that ship with the package."""
    return Path(__file__).parent.parent / "weights" / "compact"


def read_manifest(folder: Path) -> Manifest:
    """
    Read and check the manifest of the weights in *folder*. The weights file need not be there.

    Raises:
        WeightsError: it is missing or damaged, or made for another order of zones or another input size.
    """
    path = folder_of(folder) / MANIFEST_FILE
    try:
        manifest = Manifest.model_validate_json(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        if folder.suffix == ".ckpt" or any(folder.glob("*.ckpt")):
            cure = "it is a training run, of which `sgseg-train export` (or `average`) makes weights"
        else:
            cure = "weights without their manifest are not loaded; name the folder that has both"
        raise WeightsError(f"{path} is missing: {cure}") from None
    except ValidationError as error:
        raise WeightsError(f"{path} is not a manifest of this version: {error}") from None
    if manifest.zones != ZONE_NAMES:
        raise WeightsError(f"{path} has zones {list(manifest.zones)}; this version has {list(ZONE_NAMES)}")
    if manifest.identity != identity_of(manifest):
        raise WeightsError(
            f"{path} was changed: thresholds, calibration or weights are not those of its release; restore it"
        )
    if manifest.input_size != INPUT_SIZE:
        raise WeightsError(f"{path} has input_size {manifest.input_size}; this version has {INPUT_SIZE}")
    return manifest


def require_weights_file(folder: Path, manifest: Manifest) -> Path:
    """
    Give the path of the weights file in *folder*.

    Raises:
        WeightsError: it is missing, or not the one of *manifest*.
    """
    path = folder_of(folder) / WEIGHTS_FILE
    if not path.is_file():
        raise WeightsError(f"{path} is missing; the folder needs {WEIGHTS_FILE} and {MANIFEST_FILE}")
    found = digest_of_file(path)
    if found != manifest.sha256:
        raise WeightsError(
            f"{path} has sha256 {found[:12]}..., but its manifest says {manifest.sha256[:12]}...; "
            "copy weights and manifest of the same release"
        )
    return path


def folder_of(named: Path) -> Path:
    """Give the folder of weights; *named* is that folder, or a file in it."""
    return named.parent if named.name in (WEIGHTS_FILE, MANIFEST_FILE) else named


def digest_of_file(path: Path) -> str:
    """Give the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
