"""
What is wrong though images are taken and judged: a destination is down, or something waits too long.

The node is then "degraded". `/ready` stays 200, because a sender gets its answer; page and metrics say it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from node.watch.worker_state import DestinationState
from node.work.queue import Waiting
from sgseg_dicom.config import AnyDestination, Config, Destination
from sgseg_dicom.watching import Trouble


@dataclass(frozen=True, slots=True)
class Degradation:
    """
    One thing that is wrong.

    Attributes:
        trouble: what it is.
        subject: the destination; "" where it is none's.
        words: a sentence for people, with the cure where there is one.
    """

    trouble: Trouble
    subject: str
    words: str


def degradations(
    config: Config, waiting: Waiting, destinations: Mapping[str, DestinationState], *, now: float
) -> Iterator[Degradation]:
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
        yield Degradation(
            Trouble.WAITING,
            "",
            f"an image has waited for its answer for {minutes:.0f} minutes; see `sgseg-node status --overdue`",
        )
    for one in config.destination:
        state = destinations.get(one.name, DestinationState())
        number, oldest = waiting.deliveries.get(one.name, (0, now))
        if not state.is_up:
            since = datetime.fromtimestamp(state.down_since).astimezone().isoformat(timespec="seconds")
            words = f"{one.name} is down since {since} (images whose results wait for it: {number}): {state.why_down}"
            yield Degradation(Trouble.DESTINATION_DOWN, one.name, words)
            continue
        patience = limit + _commitment_seconds(one)
        if now - oldest > patience:
            minutes = (now - oldest) / 60
            words = f"results have waited for {one.name} for {minutes:.0f} minutes"
            yield Degradation(Trouble.WAITING, one.name, words)


def _commitment_seconds(destination: AnyDestination) -> float:
    """Give how long an archive may take to report that it keeps what it has."""
    commits = isinstance(destination, Destination) and destination.storage_commitment
    return destination.commitment_seconds if commits else 0.0  # type: ignore[union-attr]
