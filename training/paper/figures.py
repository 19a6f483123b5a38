"""
The paper's figures, drawn with some weights on a split: one PNG for each.

Only few radiographs of the data set appear (EXAMPLES), and these are small (THUMBNAIL pixels): illustrations.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from transformers import PreTrainedTokenizerBase

from sgseg_dicom.inference.network import Network
from sgseg_dicom.records import Prediction
from sgseg_dicom.zones import report_of
from training.data import Item, load_image, load_mask
from training.data.borders_removed import without_border
from training.evaluation.evaluate import model_input_of, predict

THUMBNAIL = 72
"""Pixels on a side of a radiograph in a figure: too few to be used as data."""

EXAMPLES = 4
_BINS = 10
_SIZES = (0.0, 0.02, 0.05, 0.10, 0.20, 1.0)  # of the image
_TRUE, _OURS = "#2e9e44", "#d9480f"


def draw_figures(
    network: Network, items: Sequence[Item], tokenizer: PreTrainedTokenizerBase, *, out: Path, seed: int = 0
) -> list[Path]:
    """
    Draw all figures of infected *items* to folder *out*; give their paths.

    Args:
        network: the weights that the figures show.
        items: of one split, with zones.
        tokenizer: of the text encoder that the weights' report table comes from.
        out: folder of the PNG files.
        seed: of the choice of the example images.
    """
    matplotlib.use("Agg")
    out.mkdir(parents=True, exist_ok=True)
    guided = {
        name: predict(network, items, guided_by=name)  # type: ignore[arg-type]
        for name in ("none", "generated", "ground-truth")
    }
    chosen = np.random.default_rng(seed).permutation(len(items))[:EXAMPLES].tolist()
    figures = {
        "words": word_importance(network, [items[place] for place in chosen], tokenizer),
        "masks": masks_side_by_side(items, guided, chosen),
        "reports": reports_and_masks(items, guided["generated"], chosen),
        "attention": attention_maps(network, [items[place] for place in chosen]),
        "calibration": calibration_curves(items, guided["generated"]),
        "lesion-size": dice_by_lesion_size(items, guided),
    }
    paths = [out / f"{name}.png" for name in figures]
    for path, figure in zip(paths, figures.values(), strict=True):
        figure.savefig(path, dpi=110, bbox_inches="tight")
    return paths


def importance_of_words(network: Network, item: Item) -> NDArray[np.float64]:
    """
    Give the importance of each of the 24 tokens of an image's true report for its mask; it adds up to 1.

    The importance is gradient times input, summed over a token's width. The paper multiplies query and key (section
    2.1), which shows the first of three guided stages only; later stages mix the tokens.
    """
    model = network.members[0]
    image = torch.from_numpy(model_input_of(item).pixels)[None, None].to(network.device)
    with torch.no_grad():
        features, _ = model.encode(image)
    words = model.reports.hard(torch.tensor([item.zones], device=network.device)).clone().requires_grad_()
    logits, _ = model.decoder(features, words)
    (gradient,) = torch.autograd.grad(logits.sigmoid().sum(), words)
    importance = (gradient * words).sum(dim=-1)[0].abs().detach().cpu().double().numpy()
    return importance / max(importance.sum(), 1e-12)


def word_importance(network: Network, items: Sequence[Item], tokenizer: PreTrainedTokenizerBase) -> Figure:
    """Draw Fig. 2: the importance of each token of the report."""
    figure = Figure(figsize=(9, 0.9 * len(items)))
    for row, item in enumerate(items):
        report = report_of(item.known_zones)
        tokens = tokenizer.convert_ids_to_tokens(tokenizer(report)["input_ids"])
        importance = importance_of_words(network, item)[: len(tokens)]
        axes = figure.add_subplot(len(items), 1, row + 1)
        axes.imshow(importance[None], cmap="YlOrRd", aspect="auto", vmin=0)
        axes.set_xticks(range(len(tokens)), tokens, rotation=30, ha="right", fontsize=7)
        axes.set_yticks([])
    figure.subplots_adjust(hspace=2.2)
    return figure


def masks_side_by_side(
    items: Sequence[Item], guided: dict[str, list[Prediction]], chosen: Sequence[int]
) -> Figure:
    """Draw Fig. 3: the annotated mask; ours without guidance, with the model's own report, with the true report."""
    titles = ("annotated", "no text", "self-guided", "true report")
    figure = Figure(figsize=(1.5 * len(titles), 1.5 * len(chosen)))
    for row, place in enumerate(chosen):
        truth = load_mask(items[place])
        masks = [truth, *(guided[name][place].mask for name in ("none", "generated", "ground-truth"))]
        for column, (title, mask) in enumerate(zip(titles, masks, strict=True)):
            axes = figure.add_subplot(len(chosen), len(titles), row * len(titles) + column + 1)
            _show(axes, load_image(items[place]), mask, _TRUE if column == 0 else _OURS)
            below = "" if column == 0 else f"Dice {_dice(mask, truth):.2f}"
            axes.set_xlabel(below, fontsize=7)
            axes.set_title(title if row == 0 else "", fontsize=8)
    return figure


def reports_and_masks(
    items: Sequence[Item], predictions: Sequence[Prediction], chosen: Sequence[int]
) -> Figure:
    """Draw Fig. 4: the generated and the true report, with both masks."""
    figure = Figure(figsize=(8.5, 1.7 * len(chosen)))
    for row, place in enumerate(chosen):
        item, prediction = items[place], predictions[place]
        axes = figure.add_axes((0.0, 1 - (row + 1) / len(chosen), 0.19, 0.92 / len(chosen)))
        _show(axes, load_image(item), load_mask(item), _TRUE)
        axes.contour(_small(prediction.mask), levels=[0.5], colors=_OURS, linewidths=1)
        middle = 1 - (row + 0.5) / len(chosen)
        figure.text(0.2, middle + 0.02, f"true: {report_of(item.known_zones)}", color=_TRUE, fontsize=8)
        figure.text(0.2, middle - 0.04, f"generated: {report_of(prediction.zones)}", color=_OURS, fontsize=8)
    return figure


def attention_maps(network: Network, items: Sequence[Item]) -> Figure:
    """Draw Fig. 5: where the detector's query selection finds an infected zone (its places at stride 8)."""
    figure = Figure(figsize=(3.2, 1.6 * len(items)))
    for row, item in enumerate(items):
        image = torch.from_numpy(model_input_of(item).pixels)[None, None].to(network.device)
        with torch.inference_mode():
            places = (
                network.members[0]
                .encode(image)[1]
                .place_logits.float()
                .sigmoid()[0]
                .amax(dim=-1)
                .cpu()
                .numpy()
            )
        side = image.shape[-1] // 8
        heat = Image.fromarray(places[: side * side].reshape(side, side)).resize((THUMBNAIL, THUMBNAIL))
        shown, marked = without_border(load_image(item), load_mask(item))
        for column in range(2):
            axes = figure.add_subplot(len(items), 2, 2 * row + column + 1)
            _show(axes, shown, marked, _TRUE)
            if column == 1:
                axes.imshow(np.asarray(heat), cmap="inferno", alpha=0.6)
    return figure


def calibration_curves(items: Sequence[Item], predictions: Sequence[Prediction]) -> Figure:
    """Draw how often a zone, or a pixel, of predicted probability p is infected; with the calibration error (ECE)."""
    figure = Figure(figsize=(4.2, 4))
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle=":")
    zones = (np.array([p.zone_probabilities for p in predictions]), np.array([item.zones for item in items]))
    pixels = (
        np.stack([p.mask_probability[::4, ::4] for p in predictions]),
        np.stack([load_mask(item)[::4, ::4] for item in items]),
    )
    for name, (predicted, true) in {"zones": zones, "pixels": pixels}.items():
        mean, rate, error = reliability(predicted.ravel(), true.ravel())
        axes.plot(
            mean, rate, marker="o", markersize=3, label=f"{name}, expected calibration error {error:.3f}"
        )
    axes.set(xlabel="predicted probability", ylabel="share that is infected", xlim=(0, 1), ylim=(0, 1))
    axes.legend(fontsize=7)
    return figure


def reliability(
    predicted: NDArray[np.floating], true: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Give mean predicted probability (N,) and share that is true (N,) of ten bins; and the calibration error."""
    bins = np.minimum((predicted * _BINS).astype(int), _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    filled = counts > 0
    mean = np.bincount(bins, weights=predicted, minlength=_BINS)[filled] / counts[filled]
    rate = np.bincount(bins, weights=true, minlength=_BINS)[filled] / counts[filled]
    return mean, rate, float((np.abs(mean - rate) * counts[filled]).sum() / counts.sum())


def dice_by_lesion_size(items: Sequence[Item], guided: dict[str, list[Prediction]]) -> Figure:
    """Draw the mean Dice of images, in groups by the share of the image that is infected."""
    truths = [load_mask(item) for item in items]
    groups = np.digitize([truth.mean() for truth in truths], _SIZES[1:-1])
    figure = Figure(figsize=(5.5, 3.2))
    axes = figure.add_subplot()
    for offset, (name, predictions) in enumerate(guided.items()):
        dice = np.array([_dice(p.mask, truth) for p, truth in zip(predictions, truths, strict=True)])
        parts = [dice[groups == group] for group in range(len(_SIZES) - 1)]
        means = [part.mean() if part.size else np.nan for part in parts]
        axes.bar(np.arange(len(means)) + 0.27 * (offset - 1), means, width=0.25, label=f"guidance: {name}")
    labels = [
        f"{100 * low:.0f}-{100 * high:.0f} %\n({(groups == group).sum()})"
        for group, (low, high) in enumerate(pairwise(_SIZES))
    ]
    axes.set_xticks(range(len(labels)), labels, fontsize=8)
    axes.set(xlabel="infected share of the image (images)", ylabel="mean Dice", ylim=(0, 1))
    axes.legend(fontsize=7)
    return figure


def _show(axes: Any, image: NDArray[np.uint8], mask: NDArray[np.bool_], colour: str) -> None:
    small = Image.fromarray(image).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    axes.imshow(np.asarray(small), cmap="gray", vmin=0, vmax=255)
    if mask.any():
        axes.contour(_small(mask), levels=[0.5], colors=colour, linewidths=1)
    axes.set_xticks([])
    axes.set_yticks([])


def _small(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    grey = Image.fromarray(mask.astype(np.float32))
    return np.asarray(grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))


def _dice(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return float(2 * (mask & truth).sum() / max(1, mask.sum() + truth.sum()))
