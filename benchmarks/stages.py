"""
`python -m benchmarks stages`: time, CPU time and memory of each stage of the pipeline, for films of several sizes.

Without the model, unless it is asked for: a stored prediction takes its place. With the folder of an older commit
(`git worktree add ../old COMMIT`), both take turns in one run, and ratios are printed too.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image
from rich.table import Table

from tests.support.builders import chest_radiograph, synthetic_chest, write

SHAPES: Mapping[int, tuple[int, int]] = {4: (2048, 2000), 7: (2816, 2496), 12: (3520, 3408), 36: (6000, 6000)}
"""Rows and columns, by megapixels."""

_HERE = Path(__file__).resolve()
_BESIDE_INFERENCE = ("read", "preprocess", "measure", "encode", "check", "save")


@dataclass(frozen=True, kw_only=True)
class Film:
    """
    The figures of one size of film and one state of the code.

    Attributes:
        seconds, cpu_seconds: of each stage.
        base, peak: resident memory of the process, in bytes: before its first film, and the most of all its time.
    """

    seconds: Mapping[str, float]
    cpu_seconds: Mapping[str, float]
    base: int
    peak: int

    @property
    def beside_inference(self) -> float:
        """CPU seconds of all stages but the model's."""
        return sum(self.cpu_seconds[stage] for stage in _BESIDE_INFERENCE)


def measure(
    megapixels: Sequence[int], *, runs: int, real_model: bool, before: Path | None
) -> dict[int, tuple[Film, Film | None]]:
    """Give the figures of each size: of this code, and of the code in *before* where it is given."""
    figures = {}
    with TemporaryDirectory() as folder:
        for size in megapixels:
            film = _drawn(Path(folder) / f"{size}.dcm", SHAPES[size])
            ours, theirs = list[Film](), list[Film]()
            for _ in range(3):  # in turns: other work on the machine disturbs both
                ours.append(_measured(_HERE.parent.parent, film, runs, real_model))
                if before is not None:
                    theirs.append(_measured(before.resolve(), film, runs, real_model))
            figures[size] = _middle(ours), _middle(theirs) if theirs else None
            film.unlink()
    return figures


def table_of(size: int, ours: Film, before: Film | None) -> Table:
    """Show the figures of one size."""
    table = Table("stage", "ms", "ms of CPU", title=f"{size} Mpx")
    if before is not None:
        table.add_column("ms of CPU before")
        table.add_column("before / now")
    for column in table.columns[1:]:
        column.justify = "right"
    rows = {stage: (ours.seconds[stage], cpu) for stage, cpu in ours.cpu_seconds.items()}
    for stage, (seconds, cpu) in rows.items():
        former = () if before is None else _ratio(before.cpu_seconds[stage], cpu)
        table.add_row(stage, f"{1000 * seconds:.1f}", f"{1000 * cpu:.1f}", *former)
    former = () if before is None else _ratio(before.beside_inference, ours.beside_inference)
    total = sum(ours.seconds[stage] for stage in _BESIDE_INFERENCE)
    table.add_row("beside inference", f"{1000 * total:.1f}", f"{1000 * ours.beside_inference:.1f}", *former)
    memory = "" if before is None else f"{(before.peak - before.base) / 1e6:.0f} MB"
    table.add_row("memory, above the base", "", f"{(ours.peak - ours.base) / 1e6:.0f} MB", memory)
    table.add_row("memory, of the process", "", f"{ours.peak / 1e6:.0f} MB")
    return table


def _ratio(before: float, now: float) -> tuple[str, str]:
    return f"{1000 * before:.1f}", f"{before / now:.1f}" if now else ""


def _drawn(path: Path, shape: tuple[int, int]) -> Path:
    """Write a drawn chest with a detector's noise."""
    small = Image.fromarray(synthetic_chest((512, 448)).astype(np.float32))
    body = np.asarray(small.resize(shape[::-1], Image.Resampling.BILINEAR)).astype(np.uint16)
    noise = np.random.default_rng(0).integers(0, 40, shape, dtype=np.uint16)
    return write(chest_radiograph(pixels=body + noise), path)


def _measured(code: Path, film: Path, runs: int, real_model: bool) -> Film:
    """Measure in a process of its own that imports the *code*."""
    model = "real" if real_model else "stored"
    script = str(_HERE.with_name("stage_times.py"))
    done = subprocess.run(
        [sys.executable, "-P", script, str(film), str(runs), model],
        env={**os.environ, "PYTHONPATH": str(code)},
        cwd=code,
        stdout=subprocess.PIPE,
        check=True,
    )
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    stages = measured["stages"].items()
    return Film(
        seconds={stage: seconds for stage, (seconds, _) in stages},
        cpu_seconds={stage: cpu for stage, (_, cpu) in stages},
        base=measured["base"],
        peak=measured["peak"],
    )


def _middle(films: Sequence[Film]) -> Film:
    """Give the median of each figure."""
    return Film(
        seconds={stage: median(one.seconds[stage] for one in films) for stage in films[0].seconds},
        cpu_seconds={
            stage: median(one.cpu_seconds[stage] for one in films) for stage in films[0].cpu_seconds
        },
        base=int(median(one.base for one in films)),
        peak=int(median(one.peak for one in films)),
    )
