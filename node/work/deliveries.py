"""What the worker does with one delivery: it sends the stored results of a job to one destination."""

import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from node.delivery.availability import Availability
from node.delivery.commitment import CommittedDelivery
from node.delivery.dimse import DimseSender
from node.delivery.protocols import Sender
from node.jobs import Delivery, Sent
from node.store.commitments import Commitments
from node.store.store import Store
from node.watch.worker_state import DestinationState
from node.work.edge import Edge
from node.work.outcomes import log_delivery, state_of
from sgseg_dicom.config import Deliver
from sgseg_dicom.errors import DeliveryRefused, NotYetCommitted

ATTEMPTS_AT_ONCE = 8
"""Attempts at one destination that are made at the same time; each is at most one association."""

_EARLY_AT_ONCE = 32
"""First attempts at one destination that begin before the queue knows of them."""
_SPREAD_SECONDS = 1.0
"""The longest pause before a second attempt, and before the attempts at a destination that is up again."""


Ended = Callable[[str, Sent, float], object]


class Deliveries:
    """
    Delivers results; safe to call from many threads. What one destination does never makes another one wait.

    Args:
        store: where the results are.
        senders: by the name of the destination.
        edge: runs each attempt.
        patience: how long a delivery pauses between its attempts.
        clock: gives POSIX time in seconds. It may be set back: nothing is decided by it.
        on_ended: told of each delivery that has ended: destination, state, seconds of the last attempt.
    """

    def __init__(
        self,
        *,
        store: Store,
        senders: Mapping[str, Sender],
        edge: Edge,
        patience: Deliver,
        clock: Callable[[], float],
        on_ended: Ended = lambda destination, state, seconds: None,
    ) -> None:
        self._store = store
        self._senders = senders
        self._edge = edge
        self._patience = patience
        self._clock = clock
        self._on_ended = on_ended
        self._availability = Availability()
        self._lanes = {name: ThreadPoolExecutor(ATTEMPTS_AT_ONCE, f"to {name}") for name in senders}
        self._no_lane = ThreadPoolExecutor(1, "to nobody")  # for names that are no longer configured
        self._early: dict[tuple[str, str], Future[Delivery]] = {}
        self._taken_before: dict[tuple[str, str], int] = {}
        self._committed = {
            name: CommittedDelivery(sender, Commitments(store.folder / "commitments"))
            for name, sender in senders.items()
            if isinstance(sender, DimseSender) and sender.destination.storage_commitment
        }
        self._uncommitted: set[tuple[str, str]] = set()

    def why_down(self, destination: str) -> str:
        """Give the reason why a destination is down; "" where it is not known to be down."""
        return self._availability.why_down(destination)

    def states(self) -> Mapping[str, DestinationState]:
        """Give how each destination stands."""
        return self._availability.states(self._senders)

    def begin(self, job_id: str, destination: str) -> None:
        """
        Make the first attempt now, while the queue still writes down that the results are kept.

        `deliver` gives how it ended. If the process dies before, the next one sends the same bytes again.
        """
        waiting = sum(name == destination for _, name in tuple(self._early))
        if waiting < _EARLY_AT_ONCE and not self.why_down(destination) and destination in self._lanes:
            self._early[job_id, destination] = self._submit(job_id, destination, first=True)

    def deliver(self, job_id: str, destination: str, *, first: bool) -> Delivery:
        """Try once to send the stored results of a job to one destination. *first*: nothing was tried before."""
        attempt = self._early.pop((job_id, destination), None) or self._submit(
            job_id, destination, first=first
        )
        sent = attempt.result()
        log_delivery(job_id, sent)
        if sent.state is not Sent.WAITING:
            self._taken_before.pop((job_id, destination), None)
        return sent

    def end(self, job_id: str, sent: Delivery) -> None:
        """Forget a delivery that is not tried any more; *sent* is how it ended."""
        destination = sent.destination
        self._on_ended(destination, sent.state, sent.seconds)
        self._taken_before.pop((job_id, destination), None)
        self._uncommitted.discard((job_id, destination))
        if committed := self._committed.get(destination):
            self._edge.attempt(job_id, lambda: committed.forget(job_id))

    def _submit(self, job_id: str, destination: str, *, first: bool) -> "Future[Delivery]":
        lane = self._lanes.get(destination) or self._no_lane
        return lane.submit(self._tried, job_id, destination, first=first)

    def pause(self, job_id: str, destination: str, *, failures: int, tries: int) -> None:
        """
        Wait before a delivery is tried again. A clock that is set back does not make the wait longer.

        The second attempt follows within a second. After that the pause doubles, up to the limit. Chance takes up to
        half of it away, because deliveries that failed together must not come back together. It ends early where the
        destination takes something, because then it is up again. A delivery that failed while the destination took
        others waits to the end. Where the destination has all and its commitment is awaited, a report ends the pause.

        Args:
            job_id: the job.
            destination: its name.
            failures: attempts that failed while the destination took others.
            tries: all attempts so far.
        """
        committed = self._committed.get(destination)
        if committed and (job_id, destination) in self._uncommitted and committed.wait(job_id):
            return
        longest = self._patience.backoff_limit_seconds if tries > 1 else _SPREAD_SECONDS
        seconds = min(self._patience.backoff_seconds * 2.0 ** min(max(0, tries - 2), 30), longest)
        seconds *= random.uniform(0.5, 1.0)
        if failures:
            time.sleep(seconds)
        else:
            first = min(seconds, random.uniform(0.0, _SPREAD_SECONDS))
            time.sleep(first)
            taken = self._taken_before.get((job_id, destination), 0)
            self._availability.wait(destination, seconds - first, successes=taken)

    def _tried(self, job_id: str, destination: str, *, first: bool) -> Delivery:
        at, start = self._clock(), time.monotonic()
        taken = self._availability.successes(destination)
        # A process that has not seen the attempt before began after it: all that was taken since then counts.
        before = taken if first else self._taken_before.get((job_id, destination), 0)
        self._taken_before[job_id, destination] = taken
        error = self._edge.attempt(job_id, lambda: self._send(job_id, destination))
        waits_for_report = isinstance(error, NotYetCommitted)
        (self._uncommitted.add if waits_for_report else self._uncommitted.discard)((job_id, destination))
        failure = None if waits_for_report else error  # else it took everything
        self._availability.note(destination, failure, successes=taken, ended_at=self._clock())
        return Delivery(
            destination=destination,
            state=state_of(error),
            detail=str(error or ""),
            at=at,
            seconds=round(time.monotonic() - start, 6),
            taken_at=self._availability.taken_at(destination),
            # What it took during this attempt is no sign: it may have come back in the middle of it.
            took_others=not first and taken > before,
        )

    def _send(self, job_id: str, destination: str) -> None:
        sender = self._senders.get(destination)
        if sender is None:
            raise DeliveryRefused(
                f"no [[destination]] is named {destination} any more; add it again, then `sgseg-node requeue`"
            )
        files = self._store.results.files_for(job_id, destination)
        if files is None:
            raise DeliveryRefused(f"the results of {job_id} are deleted; see [store] keep_days")
        if committed := self._committed.get(destination):
            committed.deliver(job_id, files)
        else:
            sender.send(files)
