"""`sgseg-node init`, `doctor` and `send`: set a site up, and look whether everything is right."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from node.command_line import ConfigOption, load_settings, plain_errors
from sgseg_dicom.errors import ConfigError

_MARK = {"ok": "ok     ", "warning": "WARNING", "wrong": "WRONG  "}


def init(
    out: Annotated[Path, typer.Option(help="The file that is written.")] = Path("config.toml"),
    ae_title: Annotated[str | None, typer.Option(help="Our AE title: what senders call.")] = None,
    host: Annotated[str | None, typer.Option(help='Address to listen on; "0.0.0.0" is every one.')] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    store: Annotated[str | None, typer.Option(help="Folder of images, results and queue.")] = None,
    archive: Annotated[
        list[str] | None,
        typer.Option(metavar="AE_TITLE@HOST:PORT", help="Where results go; as often as needed."),
    ] = None,
    language: Annotated[str | None, typer.Option(help='Of the reports: "en", "es" or "de".')] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Ask nothing: what is not given keeps its default.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Write over a file that is there.")] = False,
) -> None:
    """Write a commented config.toml for this site. What is not given is asked for."""
    from node.setup.site import archive_of, settings_of, write_settings

    asks = not yes and sys.stdin.isatty()

    def value(given: str | None, question: str, default: str) -> str:
        return (
            given if given is not None else str(typer.prompt(question, default=default)) if asks else default
        )

    with plain_errors():
        if out.exists() and not replace:
            write_settings("", out)  # refuses, before anything is asked
        values: dict[tuple[str, str], object] = {
            ("receive", "ae_title"): value(ae_title, "Our AE title", "SGSEG"),
            ("receive", "host"): value(host, "Address to listen on (0.0.0.0: every one)", "127.0.0.1"),
            ("receive", "port"): _number(value(None if port is None else str(port), "Port", "11112")),
            ("store", "folder"): value(store, "Folder for images and results", "sgseg-store"),
            ("report", "language"): value(language, "Language of the reports (en, es, de)", "en"),
        }
        named = archive or []
        if asks and archive is None:
            said = typer.prompt("Archive for the results, AE_TITLE@host:port (empty: none)", default="")
            named = [said] if said else []
        config = write_settings(settings_of(values, [archive_of(one) for one in named]), out, replace=replace)
    typer.echo(f"written: {out}, with {len(config.destination)} destinations")
    typer.echo(f"next: sgseg-node doctor --config {out}")


def _number(text: str) -> int:
    if not text.isdigit():
        raise ConfigError(f"the port is {text!r}; it must be a number")
    return int(text)


def doctor(
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line a finding.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Do not run the model.")] = False,
) -> None:
    """Look at everything that the node needs: one line each, with the cure. Exit status 1 where anything is wrong."""
    from node import logs
    from node.doctor.examine import examine
    from node.doctor.finding import State

    logs.configure("error")
    states = []
    with plain_errors():
        for finding in examine(load_settings(config), run_model=not quick):
            states.append(finding.state)
            line = f"{_MARK[finding.state]} {finding.subject}: {finding.detail}"
            typer.echo(json.dumps(asdict(finding)) if as_json else line)
    raise typer.Exit(1 if State.WRONG in states else 0)


def send(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="DICOM files.")],
    to: Annotated[
        str,
        typer.Option(metavar="AE_TITLE@HOST:PORT", help="Another node; without it, the one of the settings."),
    ] = "",
    calling: Annotated[
        str | None, typer.Option("--from", help="The AE title to send as; without it, our own.")
    ] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Call another node over TLS.")] = False,
    ca_file: Annotated[Path | None, typer.Option(help="Whose certificates to trust then (PEM).")] = None,
    config: ConfigOption = None,
) -> None:
    """Send radiographs to this node or to another one, as a modality does. Exit status 1 where one is not taken."""
    from node import logs
    from node.delivery.dimse import DimseSender
    from node.setup.send import node_at
    from node.setup.send import send as send_files

    logs.configure("error")
    failed = False
    with plain_errors():
        settings = load_settings(config)
        sender = DimseSender(
            node_at(settings, to, tls=tls, ca_file=ca_file),
            calling_ae_title=calling or settings.receive.ae_title,
            connect_seconds=settings.deliver.connect_seconds,
            answer_seconds=settings.deliver.answer_seconds,
        )
        for answer in send_files(files, sender):
            failed |= bool(answer.problem)
            typer.echo(f"{answer.path}: {answer.problem or 'taken by ' + sender.destination.address}")
    raise typer.Exit(1 if failed else 0)
