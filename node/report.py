"""Tables for people."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from node.jobs import Entry

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
    table = Table("received", "from", "SOP Instance UID", "state", "why", "delivered to", "seconds")
    for entry in entries:
        table.add_row(
            datetime.fromtimestamp(entry.job.received_at).isoformat(sep=" ", timespec="seconds"),
            # Whatever a sender or the settings said is text: "[/]" is a valid AE title, and no markup.
            Text(entry.job.peer),
            Text(entry.job.sop_instance_uid),
            Text(entry.state, style=_STYLES.get(entry.state, "default")),
            Text(entry.outcome.reason if entry.outcome else ""),
            Text(_deliveries(entry)),
            _seconds(entry),
        )
    Console().print(table)
    for entry in entries:
        for detail in _details(entry):
            Console().print(f"{entry.job.sop_instance_uid}: {detail}", markup=False, highlight=False)


def _deliveries(entry: Entry) -> str:
    if entry.deliveries:
        return ", ".join(f"{sent.destination}: {sent.state}" for sent in entry.deliveries)
    return "results folder" if entry.outcome and entry.outcome.files else ""


def _seconds(entry: Entry) -> str:
    return f"{entry.outcome.finished_at - entry.job.received_at:.2f}" if entry.outcome else ""


def _details(entry: Entry) -> list[str]:
    outcome = [entry.outcome.detail] if entry.outcome and entry.outcome.detail else []
    return outcome + [sent.detail for sent in entry.deliveries if sent.detail]
