"""`sgseg-node audit verify` and `sgseg-node audit export`."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from node.command_line import ConfigOption, load_settings, plain_errors

app = typer.Typer(help="The audit trail: who sent what, and what became of it.", no_args_is_help=True)
_DAYS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


class Form(StrEnum):
    """How the trail is written out."""

    DICOM = "dicom"
    JSON = "json"


@app.command()
def verify(
    head: Annotated[
        str, typer.Option(help="A hash that this command printed before: it must still be in the trail.")
    ] = "",
    config: ConfigOption = None,
) -> None:
    """
    Check that no line was changed, added or removed, and print the hash of the last one; ends with 1 where not.

    Somebody who writes the whole trail anew is found only by a hash that you keep on another machine.
    """
    from node.audit.trail import require_trail
    from node.audit.verify import verify as check

    with plain_errors():
        found = check(require_trail(load_settings(config).store.folder), head=head)
    if found.broken:
        typer.echo(f"broken: {found.broken}; {found.events} events before it are whole", err=True)
        raise typer.Exit(1)
    if found.torn:
        typer.echo(f"{found.torn} bytes at the end are being written, or were cut off by a crash", err=True)
    typer.echo(f"whole: {found.events} events; the last is number {found.head.number}, {found.head.hash}")


@app.command()
def export(
    since: Annotated[datetime | None, typer.Option(formats=_DAYS, help="From this moment on (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(formats=_DAYS, help="Before this moment (UTC).")] = None,
    form: Annotated[
        Form, typer.Option("--format", help="DICOM audit messages (PS3.15 A.5), one XML line each, or JSON.")
    ] = Form.JSON,
    config: ConfigOption = None,
) -> None:
    """Print the events, one a line, and note in the trail who did so."""
    from node.audit.export import exported

    with plain_errors():
        settings = load_settings(config)
        for line in exported(settings, since=_utc(since), until=_utc(until), as_dicom=form is Form.DICOM):
            typer.echo(line)


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment else None
