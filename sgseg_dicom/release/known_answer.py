"""What a release says of one drawn image, stored beside it: a machine that computes something else is found out."""

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from sgseg_dicom.errors import WeightsError
from sgseg_dicom.model_records import INPUT_SIZE, ModelInput, Prediction

KNOWN_ANSWER_FILE = "known-answer.json"

_PROBABILITY = 0.03
"""Largest difference of a probability that half precision may make (float32: below 0.001)."""


class KnownAnswer(BaseModel):
    """
    The answer of torch in float32 to `known_image`.

    Attributes:
        weights: sha256 of the weights file.
        zones: probability of each zone, in the order of `sgseg_dicom.zones.ZONES`.
        mask: mean probability of the mask in each of 4 x 4 fields, row by row.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: str
    zones: tuple[float, ...]
    mask: tuple[float, ...]


def known_image() -> ModelInput:
    """Draw two dark lungs, and an opacity in the patient's left one: float32 (224, 224), mean 0, deviation 1."""
    y, x = np.mgrid[-1 : 1 : INPUT_SIZE * 1j, -1 : 1 : INPUT_SIZE * 1j]
    drawn = 0.8 - 0.3 * np.abs(y)
    for side in (-1, 1):
        lung = ((x - 0.42 * side) / 0.3) ** 2 + (y / 0.72) ** 2
        drawn -= 0.6 / (1 + np.exp(12 * (lung - 1)))
    drawn += 0.45 * np.exp(-(((x - 0.45) / 0.14) ** 2) - ((y - 0.35) / 0.2) ** 2)
    drawn += 0.03 * np.sin(40 * y)
    return ModelInput(pixels=((drawn - drawn.mean()) / drawn.std()).astype(np.float32))


def answer_of(prediction: Prediction, *, weights: str) -> KnownAnswer:
    """Put down what matters of an answer to `known_image`; *weights* is their sha256."""
    part = INPUT_SIZE // 4
    fields = prediction.mask_probability.reshape(4, part, 4, part).mean(axis=(1, 3))
    return KnownAnswer(
        weights=weights,
        zones=tuple(round(float(value), 5) for value in prediction.zone_probabilities),
        mask=tuple(round(float(value), 5) for value in fields.ravel()),
    )


def read_known_answer(folder: Path, *, weights: str) -> KnownAnswer | None:
    """
    Read the answer that is stored in the folder of weights; None: there is none.

    Raises:
        WeightsError: it cannot be read, or belongs to other weights.
    """
    path = folder / KNOWN_ANSWER_FILE
    if not path.exists():
        return None
    try:
        known = KnownAnswer.model_validate_json(path.read_text())
    except ValidationError as error:
        raise WeightsError(f"{path} is not an answer of this version: {error}") from None
    if known.weights != weights:
        raise WeightsError(
            f"{path} belongs to other weights; `sgseg-train known-answer` writes that of these"
        )
    return known


def why_different(prediction: Prediction, known: KnownAnswer) -> str:
    """Say how far an answer to `known_image` is from the stored one; "" where they agree."""
    here = answer_of(prediction, weights=known.weights)
    largest = max(
        abs(one - other)
        for ours, theirs in ((here.zones, known.zones), (here.mask, known.mask))
        for one, other in zip(ours, theirs, strict=True)
    )
    if largest <= _PROBABILITY:
        return ""
    return f"a probability differs by {largest:.3f} from the stored answer, and {_PROBABILITY} is the limit"
