"""metrics.csv: one row for each epoch of the whole run, also if it was stopped and resumed; and its picture."""

import csv
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning

METRICS = "metrics.csv"


class EpochRows(lightning.Callback):
    """Write a row after each epoch: its number, steps, learning rates, losses, figures of valid, and seconds."""

    def __init__(self, out: Path) -> None:
        self.path = out / METRICS
        self._began = 0.0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Keep the rows of the epochs that the run has; others are trained again."""
        if trainer.is_global_zero:
            kept = [row for row in read_rows(self.path) if int(row["epoch"]) < trainer.current_epoch]
            write_rows(self.path, kept)

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Remember the time."""
        self._began = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the row."""
        if not trainer.is_global_zero:
            return
        figures = {
            name: f"{float(value):.6g}"
            for name, value in sorted(trainer.callback_metrics.items())
            if name.startswith(("loss/", "valid/"))
        }
        rates = {
            f"rate/{place}": f"{group['lr']:.6g}"
            for place, group in enumerate(trainer.optimizers[0].param_groups)
        }
        row = {"epoch": trainer.current_epoch, "step": trainer.global_step} | rates | figures
        seconds = round(time.monotonic() - self._began, 1)
        write_rows(self.path, [*read_rows(self.path), row | {"seconds": seconds}])


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows of metrics.csv; there are none before the first epoch ends."""
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write metrics.csv anew. A column that a row lacks stays empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def draw_curves(runs: Mapping[str, Sequence[Mapping[str, Any]]], out: Path) -> None:
    """
    Draw losses and figures of valid by epoch, one picture for all *runs*.

    Args:
        runs: name -> rows.
        out: PNG file.
    """
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.use("Agg")
    groups = [
        ("loss", "loss"),
        ("valid/dice", "micro Dice and Dice per image on valid"),
        ("valid/zone", "zone bits"),
    ]
    figure = Figure(figsize=(5 * len(groups), 4))
    for place, (start, title) in enumerate(groups):
        axes = figure.add_subplot(1, len(groups), place + 1)
        for run, rows in runs.items():
            for name in _columns(rows, start):
                points = [(int(row["epoch"]) + 1, float(row[name])) for row in rows if row.get(name)]
                axes.plot(*zip(*points, strict=True), marker=".", label=f"{run} {name}".strip())
        axes.set(xlabel="epoch", title=title)
        if axes.lines:
            axes.legend(fontsize=6)
    figure.savefig(out, dpi=110, bbox_inches="tight")


def _columns(rows: Sequence[Mapping[str, Any]], start: str) -> list[str]:
    names = dict.fromkeys(name for row in rows for name in row if row[name])
    return [name for name in names if name.startswith(start) or (start == "loss" and name == "valid/loss")]
