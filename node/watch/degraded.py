"""
What is wrong though images are taken and judged: a destination is down, or something waits too long.

The node is then "degraded". `/ready` stays 200, because a sender gets its answer; page and metrics say it.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from node.watch.worker_state import DestinationState
from node.work.queue import Waiting
from sgseg_dicom.config import AnyDestination, Config, Destination
from sgseg_dicom.watching import Trouble

Degraded = tuple[Trouble, str]
"""What it is, and a sentence for people."""


def degradations(
    config: Config, waiting: Waiting, destinations: Mapping[str, DestinationState], *, now: float
) -> Iterator[Degraded]:
    """
    Say what is wrong.

    Args:
        config: [watch] has the limit; only destinations that it has still count.
        waiting: what waits, and since when.
        destinations: how each one stands.
        now: POSIX time, in seconds.
    """
    limit = config.watch.waiting_minutes * 60
    if waiting.oldest and now - waiting.oldest > limit:
        minutes = (now - waiting.oldest) / 60
        yield (
            Trouble.WAITING,
            f"an image has waited for its answer for {minutes:.0f} minutes; see `sgseg-node status --overdue`",
        )
    for one in config.destination:
        state = destinations.get(one.name, DestinationState())
        number, oldest = waiting.deliveries.get(one.name, (0, now))
        if not state.is_up:
            since = datetime.fromtimestamp(state.down_since).astimezone().isoformat(timespec="seconds")
            words = f"{one.name} is down since {since}, and {number} results wait for it: {state.why_down}"
            yield Trouble.DESTINATION_DOWN, words
            continue
        patience = limit + _commitment_seconds(one)
        if now - oldest > patience:
            minutes = (now - oldest) / 60
            yield Trouble.WAITING, f"results have waited for {one.name} for {minutes:.0f} minutes"


def _commitment_seconds(destination: AnyDestination) -> float:
    """Give how long an archive may take to report that it keeps what it has."""
    commits = isinstance(destination, Destination) and destination.storage_commitment
    return destination.commitment_seconds if commits else 0.0  # type: ignore[union-attr]
