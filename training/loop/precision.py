"""The precision of a training: the recipe's, or float32 on hardware without bf16 (paper section 3.3)."""

import logging

import torch

from sgseg_dicom.inference.network import cpu_has_bf16
from training.recipe import Recipe

log = logging.getLogger(__name__)


def for_this_machine(recipe: Recipe) -> Recipe:
    """
    Give the recipe for this machine: where bf16 would be emulated, another precision, with a warning.

    A GPU without bf16 (V100, T4) gets float16 with a scaled loss, a processor without it float32.

    With emulated bf16, a forward pass of the compact model took 21 times as long: 1,749 ms for an image of 224
    pixels, 84 ms in float32 (two cores with AVX2). The precision is part of a run's facts: no run resumes in another.
    """
    if recipe.precision != "bf16-mixed" or _has_bf16():
        return recipe
    if torch.cuda.is_available():
        log.warning("this GPU has no bf16: float16 with a scaled loss instead")
        return recipe.model_copy(update={"precision": "16-mixed"})
    log.warning("this machine's hardware has no bf16: float32 instead; the recipe's hours are for bf16")
    return recipe.model_copy(update={"precision": "32-true"})


def _has_bf16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return cpu_has_bf16()
