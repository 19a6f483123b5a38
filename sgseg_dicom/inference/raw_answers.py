"""What the networks give for a batch, before calibration and thresholds; the same from every runtime."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RawHeads:
    """
    What the heads give.

    Attributes:
        lungs: float32 (B, 2, S, S), logits of the patient's right and left lung on the grid of the mask.
        looks: float32 (B, 3), natural log odds in the order of `sgseg_dicom.model_records.LookScores`.
        infection: float32 (B,), natural log odds; no threshold is taken away.
    """

    lungs: NDArray[np.float32]
    looks: NDArray[np.float32]
    infection: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RawAnswers:
    """
    The mean logits of all passes.

    Attributes:
        mask_logits: float32 (B, S, S).
        zone_logits: float32 (B, 6), in the order of `sgseg_dicom.zones.ZONES`.
        heads: None where there are none.
    """

    mask_logits: NDArray[np.float32]
    zone_logits: NDArray[np.float32]
    heads: RawHeads | None = None
