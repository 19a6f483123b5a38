"""How much the share of a lung differs when an unchanged lung is measured again: what is no clear change."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sgseg_dicom.errors import WeightsError
from sgseg_dicom.release.heads_manifest import joint_identity, read_heads
from sgseg_dicom.release.manifest import folder_of, packaged_weights, read_manifest

REPEATABILITY_FILE = "repeatability.json"


class Repeatability(BaseModel):
    """
    The 95 % repeatability of the share of a lung, measured with one set of weights (`sgseg-train repeatability`).

    Attributes:
        format: of the file.
        weights: identity of the weights with their heads with which it was measured.
        least: of a lung where nothing is marked, in percent of the lung.
        growth: how much more it is for each percent that is marked, up to *most*.
        most: the highest, in percent of the lung.
        source: what was measured, with which command.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1]
    weights: str
    least: Annotated[float, Field(gt=0, le=100)]
    growth: Annotated[float, Field(ge=0)]
    most: Annotated[float, Field(gt=0, le=100)]
    source: dict[str, Any]

    def limit(self, before: float, now: float) -> float:
        """
        Give the difference up to which two shares of a lung are no clear change, in tenths of a percentage point.

        Args:
            before, now: in percent of the lung.
        """
        return round(min(self.least + self.growth * (before + now) / 2, self.most), 1)


def repeatability_of(weights: Path | None) -> Repeatability | None:
    """
    Read the file of the weights in a folder, or of those that ship (None).

    It belongs to weights and heads, whatever the precision in which they run.

    Raises:
        WeightsError: a file beside the weights is missing, damaged or changed.
    """
    folder = folder_of(weights or packaged_weights())
    manifest = read_manifest(folder)
    heads = read_heads(folder, weights=manifest.sha256)
    identity = manifest.identity if heads is None else joint_identity(manifest, heads)
    return read_repeatability(folder, weights=identity)


def read_repeatability(folder: Path, *, weights: str) -> Repeatability | None:
    """
    Read the file in *folder*; None: there is none, or it was measured with other weights. Nothing is compared then.

    Args:
        folder: of the weights.
        weights: identity of those that judge.

    Raises:
        WeightsError: the file is damaged.
    """
    path = folder / REPEATABILITY_FILE
    try:
        found = Repeatability.model_validate_json(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise WeightsError(f"{path} is not a file of this version: {error}") from None
    return found if found.weights == weights else None
