"""Train and measure the methods of the paper's tables, one after the other. A measured method is not run again."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from training.data import Item
from training.evaluation.bootstrap import interval_of
from training.evaluation.metrics import Counts, mask_metrics, zone_metrics
from training.loop.batches import Batch, LoadedItems, PlainBatches
from training.loop.data_module import Epochs
from training.loop.fit import LAST, trainer_of
from training.loop.guidance import rng_of_step
from training.loop.module import keep_depthwise_in_full_precision
from training.loop.precision import for_this_machine
from training.loop.run_facts import facts_of, record_facts
from training.loop.schedule import optimizer_of
from training.paper.methods import Method
from training.recipe import Recipe

PUBLISHED: dict[str, tuple[float, float, float]] = {
    "U-Net": (0.945, 0.819, 0.692),
    "U-Net++": (0.947, 0.823, 0.706),
    "Attention U-Net": (0.945, 0.822, 0.701),
    "TransUNet-like (UNETR)": (0.939, 0.806, 0.687),
    "Swin U-Net (Swin UNETR)": (0.950, 0.832, 0.724),
    "without text": (0.953, 0.846, 0.725),
    "vision-language pre-training": (0.962, 0.850, 0.740),
    "self-guidance, simple report": (0.966, 0.861, 0.759),
    "self-guidance, LERG": (0.971, 0.874, 0.778),
    "full text": (0.973, 0.890, 0.797),
}
"""Accuracy, Dice and Jaccard in the paper's Tables 1 and 2, on its test split and at its scale."""

_BATCH = 16
_RESULT = "result.json"


class MethodTraining(lightning.LightningModule):
    """
    Any method in training, with the optimizer and schedule of SGSeg.

    Args:
        method: an nn.Module that is a `Method`.
        recipe: what the run depends on.
        steps: of the whole run.
    """

    def __init__(self, method: Method, recipe: Recipe, *, steps: int) -> None:
        super().__init__()
        self.method = method
        self.recipe = recipe
        self.steps = steps

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Give the sum of the method's losses."""
        rng = rng_of_step(self.recipe, self.global_step)
        losses = self.method.losses(batch, self.global_step / max(1, self.steps), rng)
        self.log_dict({f"loss/{name}": loss.detach() for name, loss in losses.items()}, on_epoch=True)
        return torch.stack(list(losses.values())).sum()

    def configure_optimizers(self) -> Any:
        """Give AdamW, with a warm-up and a cosine."""
        return optimizer_of(self.method.encoder(), self.parameters(), self.recipe, steps=self.steps)


def measure_methods(
    methods: Mapping[str, Callable[[], Method]],
    recipe: Recipe,
    train: Sequence[Item],
    valid: Sequence[Item],
    *,
    out: Path,
) -> list[dict[str, Any]]:
    """
    Train each method with the recipe's budget, and measure it on *valid*; give their rows.

    Each method has a folder below *out*, with `result.json` when it is measured. A stopped run resumes.

    Raises:
        ConfigError: a run in one of the folders began with another recipe or other data.
    """
    recipe = for_this_machine(recipe)
    data = Epochs(recipe, train, valid)
    facts = {"recipe": recipe.model_dump(mode="json"), "train": facts_of(train), "valid": facts_of(valid)}
    for name, build in methods.items():
        folder = _folder_of(name, out)
        folder.mkdir(parents=True, exist_ok=True)
        record_facts(folder / "run.json", facts, resumes=(folder / "run.json").is_file())
        result = folder / _RESULT
        if not result.is_file():
            result.write_text(
                json.dumps({"method": name} | _measure(build, recipe, data, folder), indent=2) + "\n"
            )
    return measured(methods, out=out)


def measured(names: Iterable[str], *, out: Path) -> list[dict[str, Any]]:
    """Give the row of each method of *names* that has been measured in *out*."""
    results = [_folder_of(name, out) / _RESULT for name in names]
    return [json.loads(result.read_text()) for result in results if result.is_file()]


def _folder_of(name: str, out: Path) -> Path:
    return out / name.replace(",", "").replace(" ", "-").lower()


def table_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write rows as a Markdown table, beside the published figures."""
    head = (
        "method",
        "parameters",
        "micro Dice (95 %)",
        "per-image Dice",
        "Jaccard",
        "accuracy",
        "zones",
        "published Dice",
    )
    lines = [head, ("---",) * len(head), *(_cells(row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = row["dice_micro_ci"]
    published = PUBLISHED.get(row["method"])
    return (
        row["method"],
        f"{row['parameters'] / 1e6:.1f} M",
        f"{row['dice_micro']:.3f} ({low:.3f} to {high:.3f})",
        *(f"{row[name]:.3f}" for name in ("dice_mean", "jaccard_micro", "accuracy")),
        "-" if row["zone_accuracy"] is None else f"{row['zone_accuracy']:.3f}",
        "-" if published is None else f"{published[1]:.3f}",
    )


def _measure(build: Callable[[], Method], recipe: Recipe, data: Epochs, folder: Path) -> dict[str, Any]:
    lightning.seed_everything(recipe.seed)
    module = MethodTraining(build(), recipe, steps=data.steps)
    module.to(memory_format=torch.channels_last)
    if not torch.cuda.is_available() and recipe.precision == "bf16-mixed":
        keep_depthwise_in_full_precision(module)
    last = folder / f"{LAST}.ckpt"
    trainer_of(recipe, folder, recipe.epochs).fit(
        module, datamodule=data, ckpt_path=str(last) if last.is_file() else None, weights_only=False
    )
    # The checkpoint has the averaged weights, the module has the last ones.
    module.load_state_dict(torch.load(last, map_location="cpu", weights_only=False)["state_dict"])
    counts, has_report = _count(module.eval(), data.valid, recipe)
    figures: dict[str, Any] = mask_metrics(counts)
    del figures["sensitivity"]  # it is about findings; these methods have masks only
    zones = zone_metrics(counts)
    return {
        **figures,
        **(zones if has_report else dict.fromkeys(zones)),
        "dice_micro_ci": interval_of(counts, mask_metrics)["dice_micro"],
        "images": len(data.valid.items),
        "parameters": sum(p.numel() for p in module.parameters() if p.requires_grad),
    }


@torch.inference_mode()
def _count(module: nn.Module, loaded: LoadedItems, recipe: Recipe) -> tuple[Counts, bool]:
    """Predict at the size of the last phase, and compare at the size of the data."""
    masks, zones = [], []
    size = recipe.phases[-1].size
    precision = torch.bfloat16 if recipe.precision == "bf16-mixed" else torch.float32
    for batch in PlainBatches(loaded, batch_size=_BATCH):
        whole = batch.images.shape[-2:]
        resized = batch._replace(
            images=interpolate(batch.images, (size, size), mode="bilinear", antialias=True)
        )
        with torch.autocast(batch.images.device.type, precision, enabled=precision is torch.bfloat16):
            mask_logits, zone_logits = module.method.predict(resized)  # type: ignore[operator,union-attr]
        masks.append((interpolate(mask_logits.float(), whole, mode="bilinear")[:, 0] > 0).numpy())
        zones.append(torch.zeros(len(batch.zones), 6) if zone_logits is None else zone_logits.float())
    predicted, truth = np.concatenate(masks), loaded.masks
    counts = Counts(
        patients=np.array([item.patient for item in loaded.items]),
        overlap=(predicted & truth).sum(axis=(1, 2)),
        predicted=predicted.sum(axis=(1, 2)),
        true=truth.sum(axis=(1, 2)),
        pixels=np.full(len(truth), truth[0].size),
        zones=torch.cat(zones).numpy() > 0,
        true_zones=loaded.zones.numpy() > 0.5,
    )
    return counts, zone_logits is not None
