"""The status as a table for people."""

import os
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from node.jobs import Entry

if TYPE_CHECKING:
    from node.held_back import HeldBack

_WIDE = 240
"""Columns of the output where the terminal does not state them: a UID has up to 64 characters."""

_STYLES = {
    "failed": "red",
    "rejected": "yellow",
    "quarantined": "yellow",
    "finding": "bold",
    "waiting": "dim",
}


def print_status(entries: Sequence[Entry], *, nothing: str) -> None:
    """Print what was received and how it ended, in the order of *entries*; *nothing* where there are none."""
    if not entries:
        Console().print(nothing, markup=False, highlight=False, soft_wrap=True)
        return
    console = _console()
    table = Table("received", "from")
    # Fold and do not cut: `requeue` needs the whole UID.
    for heading in ("SOP Instance UID", "state", "why", "delivered to", "seconds"):
        table.add_column(heading, overflow="fold")
    for entry in entries:
        table.add_row(
            datetime.fromtimestamp(entry.job.received_at).isoformat(sep=" ", timespec="seconds"),
            # `Text`, because a name may look like markup of rich: "[/]" is a valid AE title.
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


def print_held_back(found: "Sequence[HeldBack]", *, nothing: str) -> None:
    """Print what lies in the quarantine; *nothing* where nothing does."""
    if not found:
        Console().print(nothing, markup=False, highlight=False, soft_wrap=True)
        return
    table = Table("received", "from", "what", "acknowledged")
    for heading in ("SOP Instance UID", "why", "where"):
        table.add_column(heading, overflow="fold")
    for one in found:
        received = datetime.fromtimestamp(one.received_at).isoformat(sep=" ", timespec="seconds")
        looked = "yes" if one.acknowledged else "no"
        texts = (one.peer, one.what, looked, one.sop_instance_uid, one.reason, one.path)
        table.add_row(received, *(Text(text) for text in texts))
    _console().print(table)


def _console() -> Console:
    """Give a wide console for a pipe or a mail: rich would cut at 80 columns."""
    console = Console()
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(width=_WIDE)


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
