"""`sgseg-node`: start, receive, work, status, acknowledge, requeue, echo, demo."""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from node.service.supervisor import CANNOT_START
from sgseg_dicom.config import Config, load
from sgseg_dicom.errors import ConfigError, SgsegError, StorageUnavailable, WeightsError

# What is heavy is imported by the command that needs it.

app = typer.Typer(
    help="A DICOM node that marks infected lung regions on chest radiographs.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # they would show the patient
)
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", help="Settings; without it ./config.toml where there is one, else the defaults."
    ),
]
Supervised = Annotated[bool, typer.Option("--supervised", hidden=True)]


@app.command()
def start(config: ConfigOption = None) -> None:
    """Run the receiver and the worker until SIGTERM or Ctrl-C; say where to send, and where results go."""
    from node import app as node

    with _plain_errors():
        settings = _load(config)
        _begin(settings)
        raise typer.Exit(node.start(settings, _told_to_stop(), say=typer.echo))


@app.command()
def receive(config: ConfigOption = None, supervised: Supervised = False) -> None:
    """Run the receiver alone: it keeps what comes, for a worker on the same store."""
    # pydicom imports every decoder that it finds. None is used here, and gdcm alone takes 18 MB.
    sys.modules.setdefault("gdcm", None)  # type: ignore[arg-type]
    from node import app as node

    _run_half(node.receive, config, supervised)


@app.command()
def work(config: ConfigOption = None, supervised: Supervised = False) -> None:
    """Run the worker alone: it answers what the receiver kept."""
    from node import app as node

    _run_half(node.work, config, supervised)


@app.command()
def status(
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line an image.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Images to show, the newest first.")] = 20,
    failed: Annotated[
        bool,
        typer.Option(
            "--failed",
            help="Only those that failed, are quarantined, or whose results a destination refused, until they are "
            "acknowledged; ends with 1 where there are any, for monitoring.",
        ),
    ] = False,
    overdue: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="MINUTES",
            help="Only those that came so long ago and have no answer yet, or whose results still wait for a "
            "destination; ends with 1 where there are any. Together with --failed: both.",
        ),
    ] = None,
) -> None:
    """Show what came in and how it ended."""
    from node import operations as operate
    from node.status_table import print_status

    with _plain_errors():
        settings = _load(config)
        watching = failed or overdue is not None
        if watching:
            entries = operate.wanting(settings, limit, failed=failed, overdue_minutes=overdue)
        else:
            entries = operate.latest(settings, limit)
    if as_json:
        for entry in entries:
            typer.echo(json.dumps(asdict(entry)))
    else:
        nothing = _nothing(failed=failed, overdue=overdue is not None)
        print_status(entries, nothing=f"{nothing} in {settings.store.folder}")
    raise typer.Exit(1 if watching and entries else 0)


def _nothing(*, failed: bool, overdue: bool) -> str:
    """Say what there is none of."""
    if failed and overdue:
        return "nothing failed and nothing is overdue"
    if overdue:
        return "nothing is overdue"
    return "nothing failed" if failed else "nothing came in yet"


@app.command()
def requeue(
    uids: Annotated[
        list[str] | None, typer.Argument(metavar="[SOP_INSTANCE_UID]...", help="Images to answer again.")
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="All that failed, or whose results a destination refused.")
    ] = False,
    anew: Annotated[
        bool,
        typer.Option(
            "--anew",
            help="Judge them again under the settings of now: new destinations, forms, language or weights. "
            "An object that is kept under the same UID stays as it is.",
        ),
    ] = False,
    config: ConfigOption = None,
) -> None:
    """
    Answer images again, after the cause of a failure is mended.

    Results that are kept are sent again as they are, to the destinations of then.
    """
    from node import operations as operate

    _require_named(uids, failed=failed)
    with _plain_errors():
        queued = [
            entry.job.sop_instance_uid
            for entry in operate.requeue(_load(config), uids or (), failed=failed, anew=anew)
        ]
    why = (
        "not known here, quarantined for another image of this UID, or not ended: it is still in work, or its "
        "results still wait for a destination (mend that, or take it out of the configuration and start again)"
    )
    _print_done(queued, uids or (), said="queued again", why=why)


@app.command()
def acknowledge(
    uids: Annotated[
        list[str] | None, typer.Argument(metavar="[SOP_INSTANCE_UID]...", help="Images that were looked at.")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="All that `status --failed` shows now.")] = False,
    config: ConfigOption = None,
) -> None:
    """
    Say that somebody has looked at images: `status --failed` leaves them out.

    Nothing is deleted, sent or judged; `requeue` takes it back.
    """
    from node import operations as operate

    _require_named(uids, failed=failed)
    with _plain_errors():
        done = [
            entry.job.sop_instance_uid
            for entry in operate.acknowledge(_load(config), uids or (), failed=failed)
        ]
    why = "not known here, nothing of it wants a look, or its results still wait for another destination"
    _print_done(done, uids or (), said="acknowledged", why=why)


def _require_named(uids: list[str] | None, *, failed: bool) -> None:
    """Refuse a command that names no image."""
    if not uids and not failed:
        raise typer.BadParameter("name SOP Instance UIDs, or say --failed")


def _print_done(done: Sequence[str], named: Sequence[str], *, said: str, why: str) -> NoReturn:
    """Say what was done to which images, and *why* to others that were named it was not; exit."""
    for uid in done:
        typer.echo(f"{uid}: {said}")
    if not done and not named:
        typer.echo(
            f"none is {said}: nothing has failed, or it has not ended; see `sgseg-node status --failed`"
        )
    missing = [uid for uid in named if uid not in done]
    for uid in missing:
        typer.echo(f"{uid}: {why}; see `sgseg-node status`", err=True)
    raise typer.Exit(1 if missing else 0)


@app.command()
def echo(config: ConfigOption = None) -> None:
    """Ask every destination whether it is there, knows us, and (C-STORE) takes what it is to get."""
    from node.delivery.protocols import senders

    with _plain_errors():
        found = senders(_load(config))
    if not found:
        typer.echo("no [[destination]] is configured: results stay in the results folder")
    failed = False
    for name, sender in found.items():
        try:
            sender.echo()
            typer.echo(f"{name}: answers")
        except SgsegError as error:
            failed = True
            typer.echo(f"{name}: {error}")
    raise typer.Exit(1 if failed else 0)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results; made where it is not there.")] = Path(
        "demo-out"
    ),
) -> None:
    """Send a chest radiograph through the whole node on this machine, and show what comes back."""
    from node import logs
    from node.demo.demo import run

    logs.configure("error")
    with _plain_errors():
        run(out, _told_to_stop())


def run_supervised(half: Callable[..., None]) -> None:
    """Run *half* of the node as a child of `node.service.supervisor`."""
    from node.service.supervisor import receive_settings, report_ready

    stop = _told_to_stop()
    with _plain_errors():
        settings = receive_settings(stop)
        _begin(settings)
    with _leaving():
        half(settings, stop, report_ready)


def _run_half(half: Callable[..., None], config: Path | None, supervised: bool) -> None:
    if supervised:
        run_supervised(half)
    stop = _told_to_stop()
    with _plain_errors():
        settings = _load(config)
        _begin(settings)
    with _leaving():
        half(settings, stop, lambda **facts: typer.echo(f"{half.__name__}: ready {json.dumps(facts)}"))


@contextmanager
def _leaving() -> Iterator[None]:
    """
    End the process now, whether the half ended well or not; the next start takes up what waits on disk.

    A delivery that sleeps until its next attempt is a thread that Python would wait for, up to the backoff
    limit: a worker that lost its device would neither work nor be started again.
    """
    status, told = 1, False
    try:
        with _plain_errors():
            yield
        status, told = 0, True
    except SystemExit as end:
        status, told = end.code if isinstance(end.code, int) else 1, True
    finally:
        kind, error, trace = sys.exc_info()
        if not told and kind is not None and error is not None:
            sys.excepthook(kind, error, trace)  # a defect: nobody else will tell of it
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _load(path: Path | None) -> Config:
    beside = Path("config.toml")
    if path is None and not beside.is_file():
        typer.echo("no --config, and no config.toml in this folder: the defaults", err=True)
        return load(None)
    return load(path or beside)


def _begin(settings: Config) -> None:
    """Log to standard error, and make files for our own user alone."""
    from node import logs

    os.umask(0o077)
    logs.configure(settings.log.level)


def _told_to_stop() -> threading.Event:
    """Give the event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


@contextmanager
def _plain_errors() -> Iterator[None]:
    """End with the message of an expected error instead of a traceback."""
    try:
        yield
    except SgsegError as error:
        typer.echo(str(error), err=True)
        hopeless = isinstance(error, ConfigError | WeightsError | StorageUnavailable)
        raise SystemExit(CANNOT_START if hopeless else 1) from None


if __name__ == "__main__":
    app()
