"""
The whole node on this machine, without set-up: it gets a chest radiograph and returns a SEG and a report draft.

This process acts as the modality that sends and as the archive that gets the results. Between them run the node's
own two processes, on a store that is deleted afterwards.
"""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydicom.data import get_testdata_file
from rich.console import Console
from rich.table import Table

from node import app
from node.delivery.dimse import DimseSender
from node.demo import read_back
from node.doctor.before_start import require_startable
from node.jobs import Entry
from node.receive import scp
from node.receive.listener import listen
from node.service.supervisor import Supervisor
from node.work.queue import open_jobs
from sgseg_dicom.config import Config, Destination, Receive
from sgseg_dicom.errors import SgsegError

RADIOGRAPH = "RG1_UNCR.dcm"
"""CR of a chest, PA, MONOCHROME1, uncompressed, with a pixel spacing of zero; anonymous (package pydicom-data)."""

_START_SECONDS, _ANSWER_SECONDS = 300.0, 120.0
_TICK = 0.1
T = TypeVar("T")


class DemoFailed(SgsegError):
    """The demo could not run; the message has the reason and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """
    The result of a run of the demo.

    Attributes:
        entry: the node's own record of the image.
        warm_up: seconds from the start of the processes until both were ready.
        response: seconds from the call of the association to the C-STORE response and its release.
        answer: seconds from then until all results were stored at the destination.
    """

    entry: Entry
    warm_up: float
    response: float
    answer: float


def run(out: Path, stop: threading.Event) -> None:
    """
    Show the node at work and write what came back to *out*.

    Raises:
        DemoFailed: pydicom-data is missing, the node did not start, or had no result in time.
        ConfigError: the node cannot run on this machine; the message says why.
    """
    console = Console()
    source = radiograph_file()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sgseg-demo-") as folder:
        shown, arrived = _send_through(source, Path(folder), stop, console)
        received = read_back.save_received(arrived, source, out)
    _print(console, shown, received)


def radiograph_file() -> Path:
    """
    Find the demo's radiograph without a network.

    Raises:
        DemoFailed: the package that has it is not installed.
    """
    path = get_testdata_file(RADIOGRAPH, download=False)
    if path is None:
        raise DemoFailed(f"{RADIOGRAPH} is missing; install it: python -m pip install pydicom-data")
    return Path(str(path))


def _send_through(
    source: Path, folder: Path, stop: threading.Event, console: Console
) -> tuple[Run, list[Path]]:
    """Send *source* through a node of its own; give the times and the files that arrived."""
    archive_folder = folder / "archive"
    archive_folder.mkdir()
    from sgseg_dicom.inference.compiled_graph import cache_of_user

    words = "starting the node; at the first start it compiles the model for this processor"
    with _archive(archive_folder) as archive, console.status(words):
        config = Config.internal(
            receive={"port": 0},
            store={"folder": folder / "store", "min_free_megabytes": 64},
            destination=[archive.model_dump()],
            model={"compiled_folder": str(cache_of_user() or "")},
            log={"level": "error"},
        )
        began = time.monotonic()
        with _node(config, stop) as address:
            warm_up = time.monotonic() - began
            console.print(f"sending {RADIOGRAPH} to {address.ae_title} at {address.host}:{address.port}")
            sent_at = time.time()
            _sender(address).send([source])
            answered_at = time.time()
            entry = _settled(config, stop)
    if any(sent.detail for sent in entry.deliveries):
        raise DemoFailed("; ".join(sent.detail for sent in entry.deliveries))
    stored_at = max((sent.at + sent.seconds for sent in entry.deliveries), default=answered_at)
    shown = Run(entry=entry, warm_up=warm_up, response=answered_at - sent_at, answer=stored_at - answered_at)
    return shown, sorted(archive_folder.iterdir())


@contextmanager
def _archive(folder: Path) -> Iterator[Destination]:
    """Run a destination that writes what it gets to *folder*."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as spool:
        settings = Receive.model_validate({"port": 0, "ae_title": "DEMO"}, context={"free_ports": True})
        listener = listen(
            settings, contexts=scp.result_contexts(), handlers=scp.keep_in(folder), spool=Path(spool)
        )
        try:
            yield Destination(
                name="demo archive",
                ae_title="DEMO",
                host=settings.host,
                port=listener.port,
                sr_without_regions=True,  # the coded report is what is read back
            )
        finally:
            listener.stop(patience_seconds=1.0)


@contextmanager
def _node(config: Config, stop: threading.Event) -> Iterator[Destination]:
    """
    Run receiver and worker; give where the receiver listens.

    Raises:
        ConfigError: something here would be wrong at every start; one line each.
    """
    require_startable(config)
    ended, ready = threading.Event(), threading.Event()
    supervisor = Supervisor(config, {role: app.child_command(role) for role in ("receive", "work")})
    thread = threading.Thread(
        target=supervisor.run, args=(ended,), kwargs={"on_ready": lambda _: ready.set()}
    )
    thread.start()
    try:
        _wait(
            lambda: ready.is_set() or not thread.is_alive() or None,
            stop,
            seconds=_START_SECONDS,
            message="the node did not start; `sgseg-node start` shows why",
        )
        if not ready.is_set():
            raise DemoFailed("the node cannot start; the lines above have the reason")
        where = supervisor.ready["receive"]
        yield Destination(
            name="node", ae_title=config.receive.ae_title, host=where["host"], port=where["port"]
        )
    finally:
        ended.set()
        thread.join()


def _sender(address: Destination) -> DimseSender:
    return DimseSender(address, calling_ae_title="DEMO", connect_seconds=5.0, answer_seconds=30.0)


def _settled(config: Config, stop: threading.Event) -> Entry:
    """Wait until the one image of the demo has settled."""
    with ExitStack() as stack:
        jobs = open_jobs(config)
        stack.callback(jobs.close)
        return _wait(
            lambda: next((entry for entry in jobs.latest(1) if entry.settled), None),
            stop,
            seconds=_ANSWER_SECONDS,
            message="the node had no result in time; `sgseg-node start` shows why",
        )


def _wait(find: Callable[[], T | None], stop: threading.Event, *, seconds: float, message: str) -> T:
    deadline = time.monotonic() + seconds
    while (found := find()) is None:
        if time.monotonic() > deadline:
            raise DemoFailed(message)
        if stop.wait(_TICK):
            raise DemoFailed("stopped")
    return found


def _print(console: Console, shown: Run, received: read_back.Received | None) -> None:
    """Print the sentence, the times and the files."""
    outcome = shown.entry.outcome
    if received is None:
        reason = f"{outcome.reason}: {outcome.detail}" if outcome else "unknown"
        raise DemoFailed(f"the image was not judged ({shown.entry.state}, {reason})")
    console.print(f"\n[bold]{received.sentence}[/bold]")
    for doubt in received.doubts:
        console.print(doubt)
    if not received.has_regions:
        why = (
            "The report names zones, but the mask is empty"
            if received.names_zones
            else "No infection was found"
        )
        console.print(f"{why}: there is a report and no SEG, and the picture has no region.")
    console.print(_times(shown))
    for path in received.files:
        console.print(str(path), highlight=False, soft_wrap=True)
    console.print("Drafts of a research model: not for diagnosis.")


def _times(shown: Run) -> Table:
    entry, table = shown.entry, Table("stage", "ms", title="times")
    table.columns[1].justify = "right"
    rows = {"start of both processes, model warm": shown.warm_up, "C-STORE of the radiograph": shown.response}
    if entry.outcome:
        rows["waiting in the queue"] = entry.outcome.started_at - entry.job.received_at
        rows |= entry.outcome.seconds
    rows |= {f"delivery to {sent.destination}": sent.seconds for sent in entry.deliveries}
    rows["C-STORE response to results delivered"] = shown.answer
    for stage, seconds in rows.items():
        table.add_row(stage, f"{1000 * seconds:.1f}")
    return table
