"""`python -m benchmarks`: how fast the node is on this machine, also compared with the published way of inference."""

import os
import re
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import published_way, stages, whole_node
from sgseg_dicom.inference.network import Network, load_network
from sgseg_dicom.inference.openvino_library import openvino

app = typer.Typer(add_completion=False)


@app.command("stages")
def measure_stages(
    megapixels: Annotated[
        list[int] | None, typer.Option(help="4, 7, 12 or 36; several times for several; all without it.")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Films of each size, three times.")] = 5,
    before: Annotated[
        Path | None, typer.Option(help="A checkout of an older commit, to compare with.")
    ] = None,
    real_model: Annotated[bool, typer.Option(help="With the model that ships.")] = False,
) -> None:
    """Measure each stage of the pipeline, in time, CPU time and memory."""
    console = Console()
    sizes = megapixels or list(stages.SHAPES)
    figures = stages.measure(sizes, runs=runs, real_model=real_model, before=before)
    for size, (ours, former) in figures.items():
        console.print(stages.table_of(size, ours, former))


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    images: Annotated[
        int, typer.Option(min=0, help="Images sent one by one, and as many in a burst; 0: no node.")
    ] = 40,
    runs: Annotated[
        int, typer.Option(min=0, help="Alternating runs of each way of inference; 0: none.")
    ] = 20,
) -> None:
    """Measure and print; no file stays."""
    if context.invoked_subcommand is not None:
        return
    console = Console()
    network = load_network(device="cpu")
    console.print(_machine(network))
    if images:
        console.print(_node_table(whole_node.measure(images)))
    if runs:
        console.print(_inference_table(published_way.measure(runs, network)))
    console.print("Quote ratios, not times: other work on the machine makes every time longer.")


def _machine(network: Network) -> str:
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    weights = network.algorithm
    return (
        f"{cpu[1] if cpu else 'unknown processor'}, {len(os.sched_getaffinity(0))} cores, "
        f"{torch.get_num_threads()} torch threads, load {os.getloadavg()[0]:.1f}; "
        f"torch {torch.__version__}, {openvino.__version__}; "
        f"{weights.name} {weights.version} ({weights.weights_digest[:12]})"
    )


def _node_table(node: whole_node.Figures) -> Table:
    table = Table("the node", "", title=f"{node.images} images of {node.megabytes:.1f} MB")
    table.columns[1].justify = "right"
    rows = {
        "cold start, to ready": f"{node.cold_start:.1f} s",
        "C-STORE response to results stored at the destination, p50": f"{node.wait(50):.2f} s",
        "the same, p99": f"{node.wait(99):.2f} s",
        "images with a SEG beside the SR": f"{node.with_seg} of {2 * node.images}",
        "images per second in a burst": f"{node.per_second:.2f}",
        "receiver, resident": f"{node.receiver_bytes / 1e6:.0f} MB",
        "worker with its processes, PSS": f"{node.worker_bytes / 1e6:.0f} MB",
    }
    for row in rows.items():
        table.add_row(*row)
    return table


def _inference_table(medians: dict[str, float]) -> Table:
    table = Table("inference of one image", "median", "times ours")
    for column in table.columns[1:]:
        column.justify = "right"
    for way, seconds in medians.items():
        ratio = seconds / medians[published_way.OURS]
        table.add_row(way, f"{1000 * seconds:.0f} ms", f"{ratio:.1f}")
    return table


if __name__ == "__main__":
    app()
