"""Measure weights on changed images of the same chests: what to expect of images from another hospital."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from sgseg_dicom.inference.network import Network
from sgseg_dicom.records import Prediction
from training.augmentation.appearance import (
    blurred,
    coarsened,
    curved,
    equalised,
    grainy,
    sharpened,
    through_jpeg,
    windowed,
)
from training.data import Item, load_image, load_mask
from training.data.borders_removed import borderless_input_of
from training.evaluation.evaluate import count
from training.evaluation.metrics import mask_metrics, normal_metrics, zone_metrics
from training.progress import progress

_BATCH = 8

Change = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Image float32 (1, S, S), 0 to 1, and mask bool (1, S, S) -> both, changed."""


def _grey(change: Callable[[Tensor], Tensor]) -> Change:
    """Change the grey values alone; the mask stays."""
    return lambda image, mask: (change(image), mask)


def _shaded(image: Tensor) -> Tensor:
    """Darken the image towards its left, as the heel effect of an anode does."""
    return (image * torch.linspace(0.6, 1.2, image.shape[-1])).clamp(0, 1)


def _grain(deviation: float) -> Callable[[Tensor], Tensor]:
    return lambda image: grainy(
        image, deviation=deviation, pixels=0, generator=torch.Generator().manual_seed(0)
    )


def _placed(*, degrees: float = 0.0, scale: float = 1.0) -> Change:
    """Turn and enlarge about the centre; what lies outside the image becomes black."""
    cos, sin = (f(math.radians(degrees)) / scale for f in (math.cos, math.sin))
    matrix = torch.tensor([[[cos, -sin, 0.0], [sin, cos, 0.0]]])

    def change(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        grid = affine_grid(matrix, [1, 1, *image.shape[-2:]], align_corners=False)
        moved, marked = (
            grid_sample(grey[None], grid, align_corners=False)[0] for grey in (image, mask.float())
        )
        return moved, marked >= 0.5

    return change


def _bordered(width: float) -> Change:
    """Cover a share of the image at each edge in black; nothing is marked there."""

    def change(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        side = round(width * image.shape[-1])
        open_ = torch.zeros_like(mask)
        open_[:, side:-side, side:-side] = True
        return image * open_, mask & open_

    return change


CHANGES: Mapping[str, Change] = {
    "as it is": _grey(lambda image: image),
    "gamma 0.5": _grey(lambda image: image**0.5),
    "gamma 2": _grey(lambda image: image**2),
    "window 5 to 95 %": _grey(lambda image: windowed(image, low=0.05, high=0.95)),
    "window 15 to 90 %": _grey(lambda image: windowed(image, low=0.15, high=0.90)),
    "steep film curve": _grey(lambda image: curved(image, slope=8, centre=0.5)),
    "histogram made even": _grey(equalised),
    "darker to one side": _grey(_shaded),
    "blurred by 1 pixel": _grey(lambda image: blurred(image, pixels=1)),
    "blurred by 2 pixels": _grey(lambda image: blurred(image, pixels=2)),
    "edges lifted": _grey(lambda image: sharpened(image, amount=1.5, pixels=2)),
    "half the pixels": _grey(lambda image: coarsened(image, share=0.5)),
    "grain 0.03": _grey(_grain(0.03)),
    "grain 0.06": _grey(_grain(0.06)),
    "JPEG, quality 50": _grey(lambda image: through_jpeg(image, quality=50)),
    "JPEG, quality 20": _grey(lambda image: through_jpeg(image, quality=20)),
    "black border of 10 %": _bordered(0.1),
    "smaller, in black": _placed(scale=0.8),
    "larger": _placed(scale=1.2),
    "turned by 10 degrees": _placed(degrees=10),
}
"""Pixels are those of 224; grain is a share of the range from black to white."""

FIGURES = {
    "dice_micro": "micro Dice",
    "dice_mean": "per-image",
    "zone_accuracy": "zone bits",
    "sensitivity": "infected found",
    "any_finding_rate": "normals with a finding",
}


def robustness(
    network: Network,
    items: Sequence[Item],
    normals: Sequence[Item],
    *,
    changes: Mapping[str, Change] | None = None,
) -> dict[str, dict[str, float]]:
    """
    Measure infected *items* and *normals* under each change; items whose region a change hides are left out.

    Returns:
        for each change: dice_micro, dice_mean, sensitivity; zone_accuracy of the images whose captions name zones;
        any_finding_rate of the normals, if there are any.
    """
    rows = {}
    changes = CHANGES if changes is None else changes
    for name in progress(list(changes), "changes"):
        counts = count(items, *_judged(network, items, changes[name]))
        shown = counts.true > 0
        row = mask_metrics(counts.take(np.flatnonzero(shown))) if shown.any() else {}
        captioned = np.flatnonzero(shown & [item.zones is not None for item in items])
        if len(captioned):
            row |= zone_metrics(counts.take(captioned))
        if normals:
            healthy = count(normals, *_judged(network, normals, changes[name]))
            row["any_finding_rate"] = normal_metrics(healthy)["any_finding_rate"]
        rows[name] = {figure: row[figure] for figure in FIGURES if figure in row}
    return rows


def _judged(
    network: Network, items: Sequence[Item], change: Change
) -> tuple[list[Prediction], list[NDArray[np.bool_]]]:
    """Judge the changed *items*; give the predictions and the changed masks."""
    predictions: list[Prediction] = []
    masks: list[NDArray[np.bool_]] = []
    for start in range(0, len(items), _BATCH):
        prepared = []
        for item in items[start : start + _BATCH]:
            image = torch.from_numpy(load_image(item).astype(np.float32) / np.float32(255))[None]
            image, mask = change(image, torch.from_numpy(load_mask(item)).bool()[None])
            prepared.append(borderless_input_of(image[0].numpy()))
            masks.append(mask[0].numpy())
        judged = network.judge([one.model_input for one in prepared])
        predictions += [one.put_back(prediction) for one, prediction in zip(prepared, judged, strict=True)]
    return predictions, masks


def table_of(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Write the rows as a Markdown table."""
    head = [f"| images | {' | '.join(FIGURES.values())} |", "|---" * (1 + len(FIGURES)) + "|"]
    lines = [
        f"| {name} | {' | '.join(f'{row[key]:.3f}' if key in row else '-' for key in FIGURES)} |"
        for name, row in rows.items()
    ]
    return "\n".join([*head, *lines])
