"""
`python -m benchmarks.gpu FOLDER`: what a GPU does, in a few minutes. FOLDER has chest radiographs as PNG files.

Half precision against float32, batches of 1 to 64, a batch that does not fit, and the whole node. One JSON object is
printed. `--device cpu` tries the script itself where there is no GPU.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from PIL import Image

from benchmarks import whole_node
from sgseg_dicom.inference.network import Network, load_network
from sgseg_dicom.inference.runtime import Precision
from sgseg_dicom.model_records import ModelInput, Prediction
from sgseg_dicom.preprocess import normalise, shrink

_BATCHES = (1, 2, 4, 8, 16, 32, 64)
_SMALL_SHARE = 0.02
"""Of the GPU's memory: the weights and a few images, but no batch of 64."""


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of radiographs, PNG.")],
    films: Annotated[int, typer.Option(help="How many of them are compared.")] = 100,
    images: Annotated[int, typer.Option(help="Images for the whole node; 0: no node.")] = 40,
    device: Annotated[str, typer.Option(help='"cuda", "cuda:N", or "cpu" to try the script.')] = "cuda",
) -> None:
    """Measure and print."""
    inputs = [_input_of(path) for path in sorted(folder.rglob("*.png"))[:films]]
    half = load_network(device=device)
    exact = load_network(device=device, precision=Precision.FLOAT32)
    figures: dict[str, Any] = {"runtime": str(half.runtime), "films": len(inputs)}
    figures["agreement"] = _agreement(half, exact, inputs)
    figures["films_per_second"] = {size: _rate(half, inputs, size) for size in _BATCHES}
    if device != "cpu":
        figures["memory_mb"] = torch.cuda.max_memory_allocated() >> 20
        figures["retried"] = _retried(half, inputs)
        figures["tests"] = _tests()
    if images:
        node = whole_node.measure(images, half.algorithm)
        figures["node"] = {
            "cold_start_s": node.cold_start,
            "p50_s": node.wait(50),
            "p99_s": node.wait(99),
            "burst_per_s": node.per_second,
        }
    typer.echo(json.dumps(figures, indent=2))


def _input_of(path: Path) -> ModelInput:
    pixels = np.asarray(Image.open(path).convert("L"), dtype=np.float32)
    return ModelInput(pixels=normalise(shrink(pixels)))


def _agreement(half: Network, exact: Network, inputs: Sequence[ModelInput]) -> dict[str, float]:
    pairs = [(half.judge([item])[0], exact.judge([item])[0]) for item in inputs]
    dice = [_dice(one, other) for one, other in pairs]
    return {
        "mean_dice": float(np.mean(dice)),
        "least_dice": min(dice),
        "other_zones": sum(one.zones != other.zones for one, other in pairs),
    }


def _dice(one: Prediction, other: Prediction) -> float:
    marked = one.mask.sum() + other.mask.sum()
    return float(2 * (one.mask & other.mask).sum() / marked) if marked else 1.0


def _rate(network: Network, inputs: Sequence[ModelInput], size: int) -> float:
    batch = [inputs[place % len(inputs)] for place in range(size)]
    network.judge(batch)  # compiles and allocates
    rounds = max(1, 64 // size)
    began = time.perf_counter()
    for _ in range(rounds):
        network.judge(batch)
    return round(rounds * size / (time.perf_counter() - began), 1)


def _retried(network: Network, inputs: Sequence[ModelInput]) -> dict[str, int]:
    """Give the GPU too little memory for a batch of 64; all images must be judged all the same."""
    batch = [inputs[place % len(inputs)] for place in range(64)]
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(_SMALL_SHARE)
    try:
        return {"judged": len(network.judge(batch)), "max_batch": network.max_batch}
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def _tests() -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip().splitlines()[-1]


if __name__ == "__main__":
    typer.run(main)
