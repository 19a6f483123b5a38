"""Finished runs -> the tables in Markdown, beside what the paper published."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from training.paper.methods import Row
from training.paper.results import (
    Finished,
    Together,
    difference_of,
    interval_of_mean,
    mean_figures,
)
from training.paper.tables import finished_of

_HEAD = (
    "method",
    "begins with",
    "parameters",
    "seeds",
    "micro Dice (95 %)",
    "per image",
    "Jaccard",
    "accuracy",
    "zones",
    "published Dice",
)
_COMPARED_WITH = {"2": "without-text", "1": "lerg"}
"""The run that the others of a table are compared with, patient by patient."""


def tables_of(table: str, rows: Sequence[Row], out: Path) -> str:
    """
    Write a table of what has been run below *out*: its figures, then the differences by patient.

    Rows that have no finished run say so.
    """
    done = {row.run: finished_of(row, out) for row in rows}
    lines = [_HEAD, ("---",) * len(_HEAD), *(line for row in rows for line in _lines(row, done[row.run]))]
    parts = [_markdown(lines), *_differences(table, rows, done)]
    return "\n\n".join(part for part in parts if part)


def _lines(row: Row, runs: Sequence[Finished]) -> list[tuple[str, ...]]:
    published = "-" if row.published is None else f"{row.published[1]:.3f}"
    if not runs:
        return [(row.name, row.begins, *["not run"] + ["-"] * (len(_HEAD) - 4), published)]
    return [
        (row.name + ending, *_cells(row, runs, reading), published)
        for reading, ending in row.figures_of.items()
    ]


def _cells(row: Row, runs: Sequence[Finished], reading: str) -> tuple[str, ...]:
    together = Together(tuple(run.counts[reading] for run in runs))
    figures = mean_figures(together)
    low, high = interval_of_mean(together)
    each = [mean_figures(Together((counts,)))["dice_micro"] for counts in together.runs]
    seeds = "1" if len(each) == 1 else f"{len(each)}: {', '.join(f'{dice:.3f}' for dice in each)}"
    return (
        row.begins,
        f"{runs[0].facts['parameters'] / 1e6:.1f} M",
        seeds,
        f"{figures['dice_micro']:.3f} ({low:.3f} to {high:.3f})",
        *(f"{figures[name]:.3f}" for name in ("dice_mean", "jaccard_micro", "accuracy")),
        f"{figures['zones']:.3f}" if runs[0].has_zones else "-",
    )


def _differences(table: str, rows: Sequence[Row], done: Mapping[str, Sequence[Finished]]) -> list[str]:
    """Write micro Dice of each row minus that of the row it is compared with, over the seeds that both have."""
    base = _COMPARED_WITH[table]
    name = next((row.name for row in rows if row.run == base), base)
    lines = [
        (row.name + ending, f"{number}", f"{middle:+.4f} ({low:+.4f} to {high:+.4f})")
        for row in rows
        for reading, ending in row.figures_of.items()
        if row.run != base and (number := min(len(done[row.run]), len(done.get(base, ()))))
        for middle, low, high in [_minus(done[row.run], reading, done[base], number)]
    ]
    if not lines:
        return []
    head = (f"minus {name}", "seeds", "micro Dice (95 %, by patient)")
    return [_markdown([head, ("---",) * len(head), *lines])]


def _minus(
    runs: Sequence[Finished], reading: str, base: Sequence[Finished], number: int
) -> tuple[float, float, float]:
    first = [run.counts[reading] for run in runs[:number]]
    second = [next(iter(run.counts.values())) for run in base[:number]]
    return difference_of(first, second)


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
