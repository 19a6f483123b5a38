"""
The records that the model takes and gives: ModelInput -> Prediction, and the Algorithm that stands for the weights.

`sgseg_dicom.model` and `sgseg_dicom.inference` know these alone: no pydicom comes with them. Everybody else finds
them in `sgseg_dicom.records` too.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from sgseg_dicom.zones import ZoneBits

INPUT_SIZE = 224
"""Rows and columns of the network's input (paper section 3.3). The aspect changes, as it did in the data set."""

RIGHT_LUNG, LEFT_LUNG = 1, 2
"""Values of `Prediction.lungs`: the PATIENT's lungs."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ModelInput:
    """
    What the network gets.

    Attributes:
        pixels: float32 (224, 224), standard display, mean 0 and standard deviation 1 over the image.
        padding: bool, like *pixels*, True where there is no image; None where that is nowhere. The image check asks.
    """

    pixels: NDArray[np.float32]
    padding: NDArray[np.bool_] | None = None


class LookScores(NamedTuple):
    """What the whole image looks like, as natural log odds: above 0 where it is more likely than not."""

    lateral: float
    child: float
    mirrored: float


class LookLimits(BaseModel):
    """
    Log odds of `LookScores` from which on an image is refused. They belong to one version of the heads.

    Attributes:
        lateral, child, mirrored: where the header says nothing of view, age or sides.
        child_of_stated_adult: where the header says that the patient is an adult.
        sure_of_side: log odds AGAINST "mirrored" from which the image alone tells its sides.
        check_weight: how much the image check's log odds of "mirrored" count beside those of the heads. Both limits
            of the sides are those of the sum.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    lateral: float
    child: float
    child_of_stated_adult: float
    mirrored: float
    sure_of_side: float
    check_weight: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """
    What the image looks like, and the limits of those who say so.

    Attributes:
        scores: of this image.
        limits: of the heads that scored it.
    """

    scores: LookScores
    limits: LookLimits


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Prediction:
    """
    What the network predicts, in the standard display.

    Attributes:
        mask_probability: float32 (224, 224), calibrated probability of infection.
        zone_probabilities: float32 (6,), calibrated, in the order of `sgseg_dicom.zones.ZONES` (patient).
        mask: bool (224, 224), *mask_probability* at the threshold that belongs to the weights; empty where
            no zone is infected.
        zones: the zones judged infected, at the thresholds that belong to the weights.
        threshold: the mask's threshold, 0 to 1; belongs to the weights. A pixel at the threshold is infected.
        lungs: uint8 (224, 224), RIGHT_LUNG and LEFT_LUNG of the patient, 0 elsewhere; None where the weights have no
            lung model.
        look: what the whole image looks like; None where the weights have no heads.
    """

    mask_probability: NDArray[np.float32]
    zone_probabilities: NDArray[np.float32]
    mask: NDArray[np.bool_]
    zones: ZoneBits
    threshold: float
    lungs: NDArray[np.uint8] | None = None
    look: Look | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Algorithm:
    """
    Who made the results; every object says it.

    Attributes:
        name: for example "SGSeg compact".
        version: of the weights' release, for example "0.2.0"; the software's own is in the contribution's words.
        weights_digest: sha256 over weights, calibration and thresholds, 64 hexadecimal digits; the Device UID
            comes from it.
    """

    name: str
    version: str
    weights_digest: str
