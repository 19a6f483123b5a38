"""The rate ends where the paper says, however long the run is."""

import pytest
import torch
from torch import nn

from training.loop.schedule import optimizer_of
from training.recipe import load_recipe


@pytest.mark.parametrize("steps", [8, 400])
@pytest.mark.parametrize("rate", [3e-4, 5e-3, 0.0])
def test_the_last_step_has_less_than_a_millionth(steps, rate):
    """Below 1e-6 at the real end (paper section 3.3), for the encoder's rate and the others', and never rising."""
    encoder, others = nn.Linear(1, 1), nn.Linear(1, 1)
    recipe = load_recipe("smoke").model_copy(
        update={"encoder_learning_rate": rate / 10, "learning_rate": rate, "warmup_share": 0.1}
    )
    parameters = [*encoder.parameters(), *others.parameters()]
    made = optimizer_of(encoder.parameters(), parameters, recipe, steps=steps)
    optimizer, schedule = made["optimizer"], made["lr_scheduler"]["scheduler"]

    used = []
    for _ in range(steps):
        used.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()

    begun, rates = max(1, round(0.1 * steps)), torch.tensor(used)
    assert torch.allclose(rates.max(dim=0).values, torch.tensor([rate / 10, rate]))
    assert (rates[-1] < 1e-6).all()
    assert (rates[begun:].diff(dim=0) <= 0).all()
