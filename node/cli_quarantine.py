"""`sgseg-node quarantine` and `sgseg-node delete`."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from node.command_line import ConfigOption, load_settings, plain_errors


def quarantine(
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line an entry.")] = False,
) -> None:
    """
    Show what lies in the quarantine: images that cannot be read, conflict or do harm, and results that broke a rule.

    `acknowledge` says that somebody has looked, `requeue` judges again, `delete` removes for good.
    """
    from node.held_back import held_back
    from node.status_table import print_held_back

    with plain_errors():
        settings = load_settings(config)
        found = held_back(settings)
    if as_json:
        for one in found:
            typer.echo(json.dumps(asdict(one)))
    else:
        print_held_back(found, nothing=f"nothing is in the quarantine of {settings.store.folder}")


def delete(
    names: Annotated[
        list[str],
        typer.Argument(metavar="SOP_INSTANCE_UID|JOB...", help="Images to delete, with all their results."),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
) -> None:
    """
    Delete images with their results and their records for good. What was sent stays where it was sent.

    A SOP Instance UID names all contents that came under it; a job (see `quarantine --json`) names one.
    """
    from node import held_back

    with plain_errors():
        settings = load_settings(config)
        found = held_back.named(settings, names)
        for entry in found:
            came = datetime.fromtimestamp(entry.job.received_at).isoformat(sep=" ", timespec="seconds")
            typer.echo(f"{entry.job.sop_instance_uid} ({entry.job.id}): {entry.state}, received {came}")
        if found and not yes:
            typer.confirm("Delete for good?", abort=True)
        deleted = {entry.job.id for entry in held_back.delete(settings, found)}
    left = [entry for entry in found if entry.job.id not in deleted]
    known = {name for entry in found for name in (entry.job.id, entry.job.sop_instance_uid)}
    for entry in left:
        typer.echo(
            f"{entry.job.id}: not deleted: it is still in work, or its results wait for a destination",
            err=True,
        )
    for name in names:
        if name not in known:
            typer.echo(f"{name}: not known here; see `sgseg-node status`", err=True)
    typer.echo(f"{len(deleted)} deleted")
    raise typer.Exit(1 if left or set(names) - known else 0)
