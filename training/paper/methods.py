"""
The methods of the paper's tables: each learns from batches and predicts masks.

Table 1: image-only networks of libraries (image_only.py). Table 2: SGSeg with parts taken away (text_guided.py). All
have the same data, budget, augmentation and mask loss, so that only the method differs.
"""

from collections.abc import Callable, Iterable
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import Parameter

from sgseg_dicom.model.build import build_sgseg
from sgseg_dicom.model.sgseg import SGSeg
from training.loop.batches import Batch
from training.paper.image_only import attention_unet, on_our_encoder, swin_unetr, unetr
from training.paper.text_guided import (
    FullText,
    LanguagePretrained,
    PooledReporter,
    SelfGuided,
    WithoutText,
)
from training.recipe import Recipe
from training.start.pretrained import load_pretrained


class Method(Protocol):
    """A method that `training.paper.tables` can train and measure."""

    def losses(self, batch: Batch, done: float, rng: torch.Generator) -> dict[str, Tensor]:
        """Give the losses of one step. *done*: share of the run before it, 0 to 1; *rng*: its random generator."""
        ...

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Give mask logits (B, 1, H, W), and zone logits (B, 6); None: the method has no zones."""
        ...

    def encoder(self) -> Iterable[Parameter]:
        """Give the pretrained parameters."""
        ...


def methods_of(table: Literal["1", "2"], recipe: Recipe) -> dict[str, Callable[[], Method]]:
    """
    Give the rows of a table of the paper: name -> function that builds a new model.

    Of Table 1 these are the image-only rows. U-Net and U-Net++ have SGSeg's pretrained encoder; the others begin with
    random weights, as monai builds them.
    """
    if table == "2":
        return {
            "without text": lambda: WithoutText(_sgseg(recipe)),
            "vision-language pre-training": lambda: LanguagePretrained(_sgseg(recipe)),
            "self-guidance, simple report": lambda: SelfGuided(_with_simple_report(_sgseg(recipe)), recipe),
            "self-guidance, LERG": lambda: SelfGuided(_sgseg(recipe), recipe),
            "full text": lambda: FullText(_with_simple_report(_sgseg(recipe)), recipe),
        }
    return {
        "U-Net": lambda: on_our_encoder("Unet", recipe),
        "U-Net++": lambda: on_our_encoder("UnetPlusPlus", recipe),
        "Attention U-Net": attention_unet,
        "TransUNet-like (UNETR)": lambda: unetr(recipe.phases[0].size),
        "Swin U-Net (Swin UNETR)": swin_unetr,
    }


def _sgseg(recipe: Recipe) -> SGSeg:
    model = build_sgseg(recipe.preset)
    load_pretrained(model, recipe)
    return model


def _with_simple_report(model: SGSeg) -> SGSeg:
    model.detector_vision = None
    model.lerg = PooledReporter(model.vision.channels[-1])  # type: ignore[assignment]
    return model
