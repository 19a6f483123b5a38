"""AdamW, a warm-up, and a cosine that ends below 1e-6 at the last step (paper section 3.3)."""

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.nn import Parameter

from training.recipe import Recipe

_FLOOR, _LAST_RATE = 5e-4, 5e-7
"""Limits of the learning rate at a run's last step: a share of the full rate, and a rate. The lower one counts."""


def optimizer_of(
    encoder: Iterable[Parameter], parameters: Iterable[Parameter], recipe: Recipe, *, steps: int
) -> Any:
    """
    Give what lightning's `configure_optimizers` returns.

    Args:
        encoder: pretrained parameters; they learn at the encoder's rate.
        parameters: all parameters of the model; those of *encoder* may be among them.
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
    warmup = max(1, round(steps * recipe.warmup_share))
    rates: list[Callable[[int], float]] = [
        functools.partial(
            _rate, warmup=warmup, steps=steps, floor=min(_FLOOR, _LAST_RATE / max(rate, _LAST_RATE))
        )
        for rate in (recipe.encoder_learning_rate, recipe.learning_rate)
    ]
    return {
        "optimizer": optimizer,
        "lr_scheduler": {
            "scheduler": torch.optim.lr_scheduler.LambdaLR(optimizer, rates),
            "interval": "step",
        },
    }


def _rate(step: int, *, warmup: int, steps: int, floor: float) -> float:
    """Give the share of the full rate at a step, counted from 0; at the last step it is *floor*."""
    if step < warmup:
        return (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, steps - 1 - warmup))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))
