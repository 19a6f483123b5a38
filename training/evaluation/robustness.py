"""How weights do on the same chests when they look otherwise: what to expect of images from another hospital."""

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
from training.data.borders_removed import see
from training.evaluation.evaluate import count, mask_metrics, normal_metrics, zone_metrics
from training.progress import progress

_BATCH = 8

Change = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Image float32 (1, S, S), 0 to 1, and mask bool (1, S, S) -> both, changed."""


def _look(change: Callable[[Tensor], Tensor]) -> Change:
    """Change the grey values, and leave the mask where it is."""
    return lambda image, mask: (change(image), mask)


def _shaded(image: Tensor) -> Tensor:
    """Darker towards the image's left, as an anode's heel makes it."""
    return (image * torch.linspace(0.6, 1.2, image.shape[-1])).clamp(0, 1)


def _grain(deviation: float) -> Callable[[Tensor], Tensor]:
    return lambda image: grainy(
        image, deviation=deviation, pixels=0, generator=torch.Generator().manual_seed(0)
    )


def _placed(*, degrees: float = 0.0, scale: float = 1.0) -> Change:
    """Turn and enlarge about the middle; black where there was nothing."""
    cos, sin = (f(math.radians(degrees)) / scale for f in (math.cos, math.sin))
    matrix = torch.tensor([[[cos, -sin, 0.0], [sin, cos, 0.0]]])

    def change(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        grid = affine_grid(matrix, [1, 1, *image.shape[-2:]], align_corners=False)
        moved, marked = (
            grid_sample(grey[None], grid, align_corners=False)[0] for grey in (image, mask.float())
        )
        return moved, marked >= 0.5

    return change


def _framed(width: float) -> Change:
    """Cover a share of the image at each edge in black; nothing is marked there."""

    def change(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        side = round(width * image.shape[-1])
        open_ = torch.zeros_like(mask)
        open_[:, side:-side, side:-side] = True
        return image * open_, mask & open_

    return change


CHANGES: Mapping[str, Change] = {
    "as it is": _look(lambda image: image),
    "gamma 0.5": _look(lambda image: image**0.5),
    "gamma 2": _look(lambda image: image**2),
    "window 5 to 95 %": _look(lambda image: windowed(image, low=0.05, high=0.95)),
    "window 15 to 90 %": _look(lambda image: windowed(image, low=0.15, high=0.90)),
    "steep film curve": _look(lambda image: curved(image, slope=8, centre=0.5)),
    "histogram made even": _look(equalised),
    "darker to one side": _look(_shaded),
    "blurred by 1 pixel": _look(lambda image: blurred(image, pixels=1)),
    "blurred by 2 pixels": _look(lambda image: blurred(image, pixels=2)),
    "edges lifted": _look(lambda image: sharpened(image, amount=1.5, pixels=2)),
    "half the pixels": _look(lambda image: coarsened(image, share=0.5)),
    "grain 0.03": _look(_grain(0.03)),
    "grain 0.06": _look(_grain(0.06)),
    "JPEG, quality 50": _look(lambda image: through_jpeg(image, quality=50)),
    "JPEG, quality 20": _look(lambda image: through_jpeg(image, quality=20)),
    "black frame of 10 %": _framed(0.1),
    "smaller, in black": _placed(scale=0.8),
    "larger": _placed(scale=1.2),
    "turned by 10 degrees": _placed(degrees=10),
}
"""Widths and pixels are those of 224; grain is of the range black to white."""

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
    Measure infected *items* and *normals* under each change, text-free; items whose region it hides are left out.

    Returns:
        for each change dice_micro, dice_mean, sensitivity; zone_accuracy where captions name zones, of these
        images; any_finding_rate of the normals where there are any.
    """
    rows = {}
    changes = CHANGES if changes is None else changes
    for name in progress(list(changes), "changes"):
        counts = count(items, *_judged(network, items, changes[name]))
        shown = counts.true > 0
        row = mask_metrics(counts.take(np.flatnonzero(shown))) if shown.any() else {}
        told = np.flatnonzero(shown & [item.zones is not None for item in items])
        if len(told):
            row |= zone_metrics(counts.take(told))
        if normals:
            healthy = count(normals, *_judged(network, normals, changes[name]))
            row["any_finding_rate"] = normal_metrics(healthy)["any_finding_rate"]
        rows[name] = {figure: row[figure] for figure in FIGURES if figure in row}
    return rows


def _judged(
    network: Network, items: Sequence[Item], change: Change
) -> tuple[list[Prediction], list[NDArray[np.bool_]]]:
    """Judge the changed *items*; give their changed masks too."""
    predictions: list[Prediction] = []
    masks: list[NDArray[np.bool_]] = []
    for start in range(0, len(items), _BATCH):
        seen = []
        for item in items[start : start + _BATCH]:
            image = torch.from_numpy(load_image(item).astype(np.float32) / np.float32(255))[None]
            image, mask = change(image, torch.from_numpy(load_mask(item)).bool()[None])
            seen.append(see(image[0].numpy()))
            masks.append(mask[0].numpy())
        judged = network.judge([one.model_input for one in seen])
        predictions += [one.put_back(prediction) for one, prediction in zip(seen, judged, strict=True)]
    return predictions, masks


def table_of(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Write the rows as a table (Markdown)."""
    head = [f"| images | {' | '.join(FIGURES.values())} |", "|---" * (1 + len(FIGURES)) + "|"]
    lines = [
        f"| {name} | {' | '.join(f'{row[key]:.3f}' if key in row else '-' for key in FIGURES)} |"
        for name, row in rows.items()
    ]
    return "\n".join([*head, *lines])
