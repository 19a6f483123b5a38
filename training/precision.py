"""What a machine trains in: bf16 where its hardware has it, whatever the recipe would like (paper section 3.3)."""

import logging
from typing import Literal

import torch

from sgseg_dicom.infer import cpu_has_bf16
from training.recipe import Recipe

log = logging.getLogger(__name__)

Precision = Literal["bf16-mixed", "32-true"]


def precision_here(recipe: Recipe) -> Precision:
    """
    Give the recipe's precision, or float32 where bf16 would be emulated, with a warning.

    Emulated, a forward pass of the compact model took 21 times as long: 1,749 ms an image of 224 pixels, 84 in
    float32 (two cores with AVX2).
    """
    if recipe.precision == "bf16-mixed" and not _has_bf16():
        log.warning("this machine's hardware has no bf16: float32 instead; the recipe's hours are for bf16")
        return "32-true"
    return recipe.precision


def _has_bf16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return cpu_has_bf16()
