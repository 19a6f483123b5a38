"""Which events of receiver and worker are counted as what."""

from typing import Any

from node.audit.recorder import Note
from node.jobs import Job, Outcome, Sent
from node.watch.counts import Figure
from node.watch.tally import Tally

STATUSES = {"A700": "out of resources", "C000": "cannot understand"}
"""The words of PS3.4 table B.2-1 for the statuses with which an image is not taken."""


def counted(note: Note, tally: Tally) -> Note:
    """Give what takes the receiver's events for the audit trail (*note*), and counts them."""

    def both(event: str, **facts: Any) -> None:
        note(event, **facts)
        if event == "received":
            tally.count(Figure.RECEIVED, facts["sender"], facts["how"])
        elif event == "not_taken":
            tally.count(Figure.REFUSED, "image", STATUSES.get(facts["status"], facts["status"]))
        elif event == "rejected":
            why = facts["why"].split(" (")[0]  # without its numbers
            tally.count(Figure.REFUSED, "association", why, number=facts.get("times", 1))

    return both


class WorkCounts:
    """
    Counts how images and deliveries end. An end that a crash repeats before it was recorded is counted twice.

    Args:
        tally: where to.
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def answered(self, job: Job, outcome: Outcome, began: float) -> None:
        """
        Count an image that has ended, and the times of its stages.

        Args:
            job: the image.
            outcome: how it ended.
            began: POSIX time of the attempt. Results that were kept before have an earlier one: no stage ran again.
        """
        tally = self._tally
        tally.count(Figure.RESULTS, outcome.ending.value, job.peer)
        if not outcome.ending.judged:
            tally.count(Figure.NOT_JUDGED, outcome.reason or "unknown")
        if outcome.started_at != began:
            return
        waited = began - job.received_at
        for stage, seconds in {"wait": waited, **outcome.seconds}.items():
            tally.time(Figure.STAGE, Figure.STAGE_SECONDS, stage, seconds=seconds)
        answered = outcome.finished_at - job.received_at
        tally.time(Figure.ANSWER, Figure.ANSWER_SECONDS, seconds=answered)

    def delivered(self, destination: str, state: Sent, seconds: float) -> None:
        """Count a delivery that has ended; *seconds* are those of its last attempt."""
        self._tally.count(Figure.DELIVERIES, destination, state.value)
        if state is Sent.DELIVERED:
            self._tally.time(Figure.STAGE, Figure.STAGE_SECONDS, "deliver", seconds=seconds)
