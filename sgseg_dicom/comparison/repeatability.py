"""How much the share of a lung differs when an unchanged lung is measured again: what is no clear change."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sgseg_dicom.errors import WeightsError

REPEATABILITY_FILE = "repeatability.json"


class Repeatability(BaseModel):
    """
    The 95 % repeatability of the share of a lung, measured with one set of weights (`sgseg-train repeatability`).

    Attributes:
        format: of the file.
        weights: digest of the weights with which it was measured (`Algorithm.weights_digest`).
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


def read_repeatability(folder: Path, *, weights: str) -> Repeatability | None:
    """
    Read the file in *folder*; None: there is none, or it was measured with other weights. Nothing is compared then.

    Args:
        folder: of the weights.
        weights: digest of those that judge.

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
