"""AdamW, a warm-up, and a cosine that ends below 1e-6 at the real end (paper section 3.3)."""

import functools
import math
from collections.abc import Iterable
from typing import Any

import torch
from torch.nn import Parameter

from training.recipe import Recipe


def optimizer_of(
    encoder: Iterable[Parameter], parameters: Iterable[Parameter], recipe: Recipe, *, steps: int
) -> Any:
    """
    Give what lightning's `configure_optimizers` returns.

    Args:
        encoder: parameters that start pretrained and learn at the encoder's rate.
        parameters: all of the model; those of *encoder* are taken out.
        recipe: rates, decay and warm-up.
        steps: of the whole run.
    """
    pretrained = list(encoder)
    known = {id(parameter) for parameter in pretrained}
    others = [p for p in parameters if p.requires_grad and id(p) not in known]
    optimizer = torch.optim.AdamW(
        [
            {"params": pretrained, "lr": recipe.encoder_learning_rate},
            {"params": others, "lr": recipe.learning_rate},
        ],
        weight_decay=recipe.weight_decay,
    )
    rate = functools.partial(_rate, warmup=max(1, round(steps * recipe.warmup_share)), steps=steps)
    return {
        "optimizer": optimizer,
        "lr_scheduler": {
            "scheduler": torch.optim.lr_scheduler.LambdaLR(optimizer, rate),
            "interval": "step",
        },
    }


def _rate(step: int, *, warmup: int, steps: int) -> float:
    if step < warmup:
        return (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, steps - warmup))
    return 5e-4 + (1 - 5e-4) * 0.5 * (1 + math.cos(math.pi * done))
