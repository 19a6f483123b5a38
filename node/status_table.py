"""Tables for people."""

import os
from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from node.jobs import Entry

_WIDE = 240
"""Columns where nobody says how many there are: a UID has 64 characters."""

_STYLES = {
    "failed": "red",
    "rejected": "yellow",
    "quarantined": "yellow",
    "finding": "bold",
    "waiting": "dim",
}


def print_status(entries: Sequence[Entry], *, nothing: str) -> None:
    """Print what came in and how it ended, the newest first; *nothing* where there is none."""
    if not entries:
        Console().print(nothing, markup=False, highlight=False, soft_wrap=True)
        return
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:  # a pipe, a mail: rich would cut at 80
        console = Console(width=_WIDE)
    table = Table("received", "from")
    # A UID that is cut off cannot be named to `requeue`.
    for heading in ("SOP Instance UID", "state", "why", "delivered to", "seconds"):
        table.add_column(heading, overflow="fold")
    for entry in entries:
        table.add_row(
            datetime.fromtimestamp(entry.job.received_at).isoformat(sep=" ", timespec="seconds"),
            # Whatever a sender or the settings said is text: "[/]" is a valid AE title, and no markup.
            Text(entry.job.peer),
            Text(entry.job.sop_instance_uid),
            Text(entry.state, style=_STYLES.get(entry.state, "default")),
            Text(_reason(entry)),
            Text(_deliveries(entry)),
            _seconds(entry),
        )
    console.print(table)
    for entry in entries:
        for detail in _details(entry):
            line = f"{entry.job.sop_instance_uid}: {detail}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def _reason(entry: Entry) -> str:
    reason = entry.outcome.reason if entry.outcome else ""
    return f"{reason} (acknowledged)".lstrip() if entry.acknowledged else reason


def _deliveries(entry: Entry) -> str:
    if entry.deliveries:
        return ", ".join(f"{sent.destination}: {sent.state}" for sent in entry.deliveries)
    return "results folder" if entry.outcome and entry.outcome.files else ""


def _seconds(entry: Entry) -> str:
    return f"{entry.outcome.finished_at - entry.job.received_at:.2f}" if entry.outcome else ""


def _details(entry: Entry) -> list[str]:
    outcome = [entry.outcome.detail] if entry.outcome and entry.outcome.detail else []
    return outcome + [sent.detail for sent in entry.deliveries if sent.detail]
