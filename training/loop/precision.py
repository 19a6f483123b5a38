"""What a machine trains in: bf16 where its hardware has it, whatever the recipe would like (paper section 3.3)."""

import logging

import torch

from sgseg_dicom.inference.network import cpu_has_bf16
from training.recipe import Recipe

log = logging.getLogger(__name__)


def for_this_machine(recipe: Recipe) -> Recipe:
    """
    Give the recipe as it can be run here: in float32 where bf16 would be emulated, with a warning.

    Emulated, a forward pass of the compact model took 21 times as long: 1,749 ms an image of 224 pixels, 84 in
    float32 (two cores with AVX2). A run keeps what it was made in, so it is not resumed in another precision.
    """
    if recipe.precision == "32-true" or _has_bf16():
        return recipe
    log.warning("this machine's hardware has no bf16: float32 instead; the recipe's hours are for bf16")
    return recipe.model_copy(update={"precision": "32-true"})


def _has_bf16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return cpu_has_bf16()
