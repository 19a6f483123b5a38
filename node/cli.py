"""`sgseg-node`: init, doctor, start, receive, work, send, status, quarantine, requeue, delete, audit, echo, demo."""

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

from node import cli_audit, cli_quarantine, cli_setup
from node.command_line import ConfigOption, load_settings, plain_errors
from sgseg_dicom.config import Config
from sgseg_dicom.errors import SgsegError

# Each command imports the large modules that it needs.

app = typer.Typer(
    help="A DICOM node that marks infected lung regions on chest radiographs.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # they would show the patient
)
Supervised = Annotated[bool, typer.Option("--supervised", hidden=True)]


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"sgseg-dicom {version('sgseg-dicom')}")
        raise typer.Exit()


@app.callback()
def sgseg_node(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A DICOM node that marks infected lung regions on chest radiographs."""


app.command()(cli_setup.init)
app.command()(cli_setup.doctor)


@app.command()
def start(config: ConfigOption = None) -> None:
    """
    Run the receiver and the worker until SIGTERM or Ctrl-C; show where to send, and where results go.

    SIGHUP reads the settings again.
    """
    from node import app as node

    with plain_errors():
        settings = load_settings(config)
        _begin(settings)
        reload = threading.Event()
        signal.signal(signal.SIGHUP, lambda *_: reload.set())
        status = node.start(
            settings,
            _stop_on_signal(),
            show=typer.echo,
            read_again=lambda: load_settings(config),
            asked_to_reload=reload,
        )
        raise typer.Exit(status)


@app.command()
def receive(config: ConfigOption = None, supervised: Supervised = False) -> None:
    """Run the receiver alone: it stores and queues images for a worker on the same store."""
    # pydicom imports every decoder that it finds. The receiver uses none, and gdcm alone takes 18 MB.
    sys.modules.setdefault("gdcm", None)  # type: ignore[arg-type]
    from node import app as node

    _run(node.receive, config, supervised)


@app.command()
def work(config: ConfigOption = None, supervised: Supervised = False) -> None:
    """Run the worker alone: it judges the images that the receiver stored."""
    from node import app as node

    _run(node.work, config, supervised)


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
            "acknowledged. For monitoring: the exit status is 1 where there are any.",
        ),
    ] = False,
    overdue: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="MINUTES",
            help="Only those that arrived at least so long ago and have no result yet, or whose results still wait "
            "for a destination. The exit status is 1 where there are any. Together with --failed: both.",
        ),
    ] = None,
) -> None:
    """Show the images that were received, and how they ended."""
    from node import operations
    from node.service.loaded_model import read_runtime
    from node.status_table import print_status

    with plain_errors():
        settings = load_settings(config)
        monitoring = failed or overdue is not None
        if monitoring:
            entries = operations.needing_attention(settings, limit, failed=failed, overdue_minutes=overdue)
        else:
            entries = operations.latest(settings, limit)
    if as_json:
        for entry in entries:
            typer.echo(json.dumps(asdict(entry)))
    else:
        nothing = _nothing(failed=failed, overdue=overdue is not None)
        print_status(entries, nothing=f"{nothing} in {settings.store.folder}")
        if not monitoring and (model := read_runtime(settings.store.folder)):
            typer.echo(f"the model is run by {model}")
    raise typer.Exit(1 if monitoring and entries else 0)


def _nothing(*, failed: bool, overdue: bool) -> str:
    """Name what was not found."""
    if failed and overdue:
        return "nothing failed and nothing is overdue"
    if overdue:
        return "nothing is overdue"
    return "nothing failed" if failed else "nothing was received yet"


@app.command()
def requeue(
    uids: Annotated[
        list[str] | None, typer.Argument(metavar="[SOP_INSTANCE_UID]...", help="Images to process again.")
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="All that failed, or whose results a destination refused.")
    ] = False,
    anew: Annotated[
        bool,
        typer.Option(
            "--anew",
            help="Judge them again with the settings of now: new destinations, kinds of results, language or "
            "weights. A stored object that would get the same UID stays as it is.",
        ),
    ] = False,
    config: ConfigOption = None,
) -> None:
    """
    Process images again, after the cause of a failure is repaired.

    Stored results are sent again as they are, to the destinations of that time.
    """
    from node import operations

    _require_named(uids, failed=failed)
    with plain_errors():
        queued = [
            entry.job.sop_instance_uid
            for entry in operations.requeue(load_settings(config), uids or (), failed=failed, anew=anew)
        ]
    why = (
        "not known here; quarantined because another image has this UID (its results would stand in the archive "
        "beside the wrong image); or not ended: it is still in work, or its results wait for a destination (repair "
        "that, or remove it from the configuration and restart the node)"
    )
    _print_done(queued, uids or (), done="queued again", why=why)


@app.command()
def acknowledge(
    uids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SOP_INSTANCE_UID]...", help="Images that a person has looked at."),
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="All that `status --failed` shows now.")] = False,
    config: ConfigOption = None,
) -> None:
    """
    Record that a person has looked at images: `status --failed` then leaves them out.

    Nothing is deleted, sent or judged; `requeue` undoes it.
    """
    from node import operations

    _require_named(uids, failed=failed)
    with plain_errors():
        acknowledged = [
            entry.job.sop_instance_uid
            for entry in operations.acknowledge(load_settings(config), uids or (), failed=failed)
        ]
    why = "not known here, nobody has to look at it, or its results still wait for another destination"
    _print_done(acknowledged, uids or (), done="acknowledged", why=why)


def _require_named(uids: list[str] | None, *, failed: bool) -> None:
    """Refuse a command that names no image."""
    if not uids and not failed:
        raise typer.BadParameter("name SOP Instance UIDs, or use --failed")


def _print_done(uids: Sequence[str], named: Sequence[str], *, done: str, why: str) -> NoReturn:
    """
    Print what was done, and exit with 1 where it was not done to all images that were named.

    Args:
        uids: images to which it was done.
        named: images that the command named.
        done: what was done to them.
        why: the possible reasons where it was not done.
    """
    for uid in uids:
        typer.echo(f"{uid}: {done}")
    if not uids and not named:
        typer.echo(
            f"none is {done}: nothing has failed, or it has not ended; see `sgseg-node status --failed`"
        )
    missing = [uid for uid in named if uid not in uids]
    for uid in missing:
        typer.echo(f"{uid}: {why}; see `sgseg-node status`", err=True)
    raise typer.Exit(1 if missing else 0)


app.command()(cli_setup.send)
app.command()(cli_quarantine.quarantine)
app.command()(cli_quarantine.delete)
app.add_typer(cli_audit.app, name="audit")


@app.command()
def echo(config: ConfigOption = None) -> None:
    """Ask every destination whether it responds and knows us, and (C-STORE) accepts the results that it will get."""
    from node.delivery.protocols import senders

    with plain_errors():
        found = senders(load_settings(config))
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
    out: Annotated[
        Path, typer.Option(help="Folder for the results; it is made where it does not exist.")
    ] = Path("demo-out"),
) -> None:
    """Send a chest radiograph through the whole node on this machine, and show what comes back."""
    from node import logs
    from node.demo.demo import run

    logs.configure("error")
    with plain_errors():
        run(out, _stop_on_signal())


def run_supervised(role: Callable[..., None]) -> None:
    """Run *role*, `node.app.receive` or `node.app.work`, as a child of `node.service.supervisor`."""
    from node.service.supervisor import receive_settings, report_ready

    stop = _stop_on_signal()
    with plain_errors():
        settings = receive_settings(stop)
        _begin(settings)
    with _ending_the_process():
        role(settings, stop, report_ready)


def _run(role: Callable[..., None], config: Path | None, supervised: bool) -> None:
    if supervised:
        run_supervised(role)
    stop = _stop_on_signal()
    signal.signal(
        signal.SIGHUP, lambda *_: stop.set()
    )  # its terminal was closed; only `start` reads settings again
    with plain_errors():
        settings = load_settings(config)
        _begin(settings)
    with _ending_the_process():
        role(settings, stop, lambda **facts: typer.echo(f"{role.__name__}: ready {json.dumps(facts)}"))


@contextmanager
def _ending_the_process() -> Iterator[None]:
    """
    End the process at once after its work, also after an error. The next start continues what waits on disk.

    A delivery that sleeps until its next attempt is a thread, and Python would wait for it, up to the backoff limit.
    A worker that lost its device would neither work nor be started again during that time.
    """
    status, reported = 1, False
    try:
        with plain_errors():
            yield
        status, reported = 0, True
    except SystemExit as end:
        status, reported = end.code if isinstance(end.code, int) else 1, True
    finally:
        kind, error, trace = sys.exc_info()
        if not reported and kind is not None and error is not None:
            sys.excepthook(kind, error, trace)  # a defect: nothing else will log it
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _begin(settings: Config) -> None:
    """Log to standard error, and let new files be readable by our own user only."""
    from node import logs

    os.umask(0o077)
    logs.configure(settings.log.level)


def _stop_on_signal() -> threading.Event:
    """Give an event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


if __name__ == "__main__":
    app()
