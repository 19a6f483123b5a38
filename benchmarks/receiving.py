"""
`python -m benchmarks.receiving`: how fast images are taken, beside DCMTK's storescp and Orthanc.

One sender for all: it costs next to nothing (`benchmarks.raw_sender`). The receivers take turns. `storescp` waits for
no disk and keeps no queue; ours answers when the image and its job are on disk.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from socket import create_connection
from statistics import median
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.raw_sender import Association, Image, image_of, objects_a_second, opening_seconds
from benchmarks.receiver_attacks import STORESCP, orthanc_command
from tests.support.ports import free_ports
from tests.system.faults.footprints import tree
from tests.system.orthanc import ORTHANC

ASSOCIATIONS = (1, 4, 8)
_IDLE = (16, 64)
_IDLE_SECONDS = 5.0
_MOST_ASSOCIATIONS = 128
_OPENINGS = 40


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """
    What is measured.

    Attributes:
        name: for the table.
        command: gives the command that runs it, from a folder of its own and a port.
        root: the folder where it runs; None: anywhere.
    """

    name: str
    command: Callable[[Path, int], Sequence[str]]
    root: Path | None = None


@dataclass(kw_only=True)
class Figures:
    """
    What was measured of one receiver, all runs together.

    Attributes:
        rates: objects a second by size in MB and associations.
        cpu: seconds of CPU an object, likewise.
        idle: share of a core by associations that do nothing; 0: no association.
        opening: seconds until an association was accepted.
    """

    rates: dict[tuple[float, int], list[float]] = field(default_factory=dict)
    cpu: dict[tuple[float, int], list[float]] = field(default_factory=dict)
    idle: dict[int, list[float]] = field(default_factory=dict)
    opening: list[float] = field(default_factory=list)


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each receiver.")] = 3,
    megabytes: Annotated[str, typer.Option(help="Sizes, with commas between.")] = "0.5,8",
    beside: Annotated[Path | None, typer.Option(help="Another folder of the node's code.")] = None,
    only: Annotated[str, typer.Option(help="Names of receivers, with commas between; all where empty.")] = "",
    folder: Annotated[Path | None, typer.Option(help="Where images are kept for a while.")] = None,
    objects: Annotated[
        int, typer.Option(min=8, help="Objects of one run; a fifth of those from 4 MB on.")
    ] = 240,
) -> None:
    """Measure and print; no file stays."""
    receivers = [one for one in _receivers(beside) if not only or one.name in only.split(",")]
    images = {float(size): image_of(float(size)) for size in megabytes.split(",")}
    figures = {one.name: Figures() for one in receivers}
    for number in range(rounds):
        turn = number % len(receivers)
        for one in (*receivers[turn:], *receivers[:turn]):
            _measure(one, figures[one.name], images, folder, objects)
    console = Console(width=150)
    console.print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}, {rounds} rounds")
    console.print(_table(figures, list(images)))


def _measure(
    receiver: Receiver, figures: Figures, images: dict[float, Image], folder: Path | None, objects: int
) -> None:
    """Take one turn."""
    for size, image in images.items():
        with _running(receiver, folder) as (port, process):
            objects_a_second(port, image, associations=1, objects=4)
            for count in ASSOCIATIONS:
                some = max(8, objects if size < 4 else objects // 5)
                os.sync()
                before = _cpu(process)
                rate = objects_a_second(port, image, associations=count, objects=some)
                figures.rates.setdefault((size, count), []).append(rate)
                figures.cpu.setdefault((size, count), []).append((_cpu(process) - before) / some)
    with _running(receiver, folder) as (port, process):
        image = next(iter(images.values()))
        figures.opening += opening_seconds(port, _OPENINGS)
        opened: list[Association] = []
        for count in (0, *_IDLE):
            opened += [Association(port, image) for _ in range(count - len(opened))]
            time.sleep(1.0)
            before = _cpu(process)
            time.sleep(_IDLE_SECONDS)
            figures.idle.setdefault(count, []).append((_cpu(process) - before) / _IDLE_SECONDS)
        for one in opened:
            one.release()


def _receivers(beside: Path | None) -> list[Receiver]:
    here = Path(__file__).resolve().parent.parent
    found = [
        Receiver(name="ours", command=_ours, root=here),
        Receiver(name="ours without queue", command=_without_queue, root=here),
    ]
    if beside is not None:
        found.append(Receiver(name="beside", command=_ours, root=beside.resolve()))
        found.append(Receiver(name="beside without queue", command=_without_queue, root=beside.resolve()))
    if Path(STORESCP).exists():
        found.append(Receiver(name="storescp", command=_storescp))
    if ORTHANC is not None:
        found.append(Receiver(name="orthanc", command=orthanc_command))
    return found


def _ours(folder: Path, port: int) -> Sequence[str]:
    config = folder / "config.toml"
    places = f"max_associations = {_MOST_ASSOCIATIONS}\nmax_associations_per_address = {_MOST_ASSOCIATIONS}"
    config.write_text(
        f'[receive]\nport = {port}\n{places}\n[store]\nfolder = "store"\nmin_free_megabytes = 1\n'
    )
    return [sys.executable, "-m", "node.cli", "receive", "--config", str(config)]


def _without_queue(folder: Path, port: int) -> Sequence[str]:
    return [
        sys.executable,
        str(Path(__file__).with_name("receiver_without_queue.py")),
        str(folder),
        str(port),
    ]


def _storescp(folder: Path, port: int) -> Sequence[str]:
    return [STORESCP, "--fork", "-aet", "SGSEG", "+xa", "-pdu", "131072", "-od", str(folder), str(port)]


@contextmanager
def _running(receiver: Receiver, parent: Path | None) -> Iterator[tuple[int, psutil.Process]]:
    with tempfile.TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as name:
        folder, (port,) = Path(name), free_ports(1)
        command = receiver.command(folder, port)
        root = receiver.root or folder
        # TCP_NODELAY: else Debian's DCMTK and Orthanc wait 44 ms for a delayed ACK with each answer.
        environment = {"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "TCP_NODELAY": "1"}
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=root, stdout=subprocess.DEVNULL, stderr=log, env=environment
            )
        try:
            while not _accepts(port):
                time.sleep(0.1)
                if process.poll() is not None:
                    raise RuntimeError((folder / "log").read_text())
            yield port, psutil.Process(process.pid)
        finally:
            for one in tree(process.pid):
                with suppress(psutil.NoSuchProcess):  # a fork of storescp ends by itself
                    one.kill()
            process.wait()


def _accepts(port: int) -> bool:
    try:
        create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _cpu(process: psutil.Process) -> float:
    """Give the seconds of CPU of a process and its children, also of those that have ended."""
    times = process.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in process.children(recursive=True):
        try:
            its = child.cpu_times()
            total += its.user + its.system
        except psutil.Error:
            continue
    return float(total)


def _table(figures: dict[str, Figures], sizes: Sequence[float]) -> Table:
    title = "objects a second, times those of the first column, ms of CPU an object"
    table = Table("", *figures, title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    first = next(iter(figures.values()))
    for size in sizes:
        for count in ASSOCIATIONS:
            base = median(first.rates[size, count])
            cells = [
                f"{median(one.rates[size, count]):.0f}, {median(one.rates[size, count]) / base:.1f}, "
                f"{1000 * median(one.cpu[size, count]):.1f}"
                for one in figures.values()
            ]
            table.add_row(f"{size:g} MB, {count} at a time", *cells)
    for count in (0, *_IDLE):
        cells = [f"{100 * median(one.idle[count]):.1f} %" for one in figures.values()]
        table.add_row(f"{count} idle: share of a core", *cells)
    table.add_row("association open", *(f"{1000 * median(one.opening):.1f} ms" for one in figures.values()))
    return table


if __name__ == "__main__":
    typer.run(main)
