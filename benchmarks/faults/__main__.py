"""`python -m benchmarks.faults [NAME ...]`: the node under faults, load and hostile input; the long form."""

import os
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Annotated

import typer

from benchmarks.faults.measured import Measured

EXPERIMENTS = (
    "poison",
    "kills",
    "crash-steps",
    "destinations",
    "disk",
    "fuzz-reading",
    "fuzz-receiver",
    "soak",
    "peers",
)
"""Each is a module of this folder."""


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"Of {', '.join(EXPERIMENTS)}; all without.")
    ] = None,
    share: Annotated[
        float,
        typer.Option(min=0.001, max=1.0, help="Of the images, kills and data sets: 0.1 is a short run."),
    ] = 1.0,
    seed: Annotated[int | None, typer.Option(help="For chance; another one each time without it.")] = None,
) -> None:
    """Run experiments one after the other; print a line of JSON and a line in words for each. No file stays."""
    seed = int(time.time()) if seed is None else seed
    print(
        f"seed {seed}, share {share:g}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}"
    )
    broken = []
    for name in names or EXPERIMENTS:
        began = time.monotonic()
        measured = _experiment(name)(share, seed)
        figures: Mapping[str, object] = {
            **measured.figures,
            "seed": seed,
            "ran_seconds": round(time.monotonic() - began),
            "load": round(os.getloadavg()[0], 1),
        }
        print(Measured(holds=measured.holds, said=measured.said, figures=figures).lines(name), flush=True)
        if not measured.holds:
            broken.append(name)
    raise typer.Exit(bool(broken))


def _experiment(name: str) -> Callable[[float, int], Measured]:
    if name not in EXPERIMENTS:
        raise typer.BadParameter(f"{name} is none of {', '.join(EXPERIMENTS)}")
    module = import_module(f"benchmarks.faults.{name.replace('-', '_')}")
    measure: Callable[[float, int], Measured] = module.measure
    return measure


if __name__ == "__main__":
    typer.run(main)
