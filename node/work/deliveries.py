"""What the worker does with one delivery: it sends the stored results of a job to one destination."""

from collections.abc import Callable, Mapping

from node.delivery.availability import Availability
from node.delivery.protocols import Sender
from node.jobs import Delivery, Sent
from node.store.store import Store
from node.work.edge import Edge
from node.work.outcomes import log_delivery, state_of
from sgseg_dicom.errors import DeliveryRefused


class Deliveries:
    """
    Delivers results; safe to call from many threads.

    Args:
        store: where the results are.
        senders: by the name of the destination.
        edge: runs each attempt.
        clock: gives POSIX time in seconds.
    """

    def __init__(
        self, *, store: Store, senders: Mapping[str, Sender], edge: Edge, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._senders = senders
        self._edge = edge
        self._clock = clock
        self._availability = Availability()

    def deliver(self, job_id: str, destination: str, *, first: bool) -> Delivery:
        """
        Send the stored results of a job to one destination.

        The *first* attempt does not try a destination that is known to be down. The delivery queue does.
        """
        at = self._clock()
        if first and (why := self._availability.why_down(destination)):
            detail = f"tried again later; last time: {why}"
            return Delivery(destination=destination, state=Sent.WAITING, detail=detail, at=at)
        successes = self._availability.successes(destination)
        error = self._edge.attempt(job_id, lambda: self._send(job_id, destination))
        ended_at = self._clock()
        self._availability.note(destination, error, successes=successes, ended_at=ended_at)
        sent = Delivery(
            destination=destination,
            state=state_of(error),
            detail=str(error or ""),
            at=at,
            seconds=round(ended_at - at, 6),
            taken_at=self._availability.taken_at(destination),
        )
        log_delivery(job_id, sent)
        return sent

    def _send(self, job_id: str, destination: str) -> None:
        sender = self._senders.get(destination)
        if sender is None:
            raise DeliveryRefused(
                f"no [[destination]] is named {destination} any more; add it again, then `sgseg-node requeue`"
            )
        files = self._store.results.files_for(job_id, destination)
        if files is None:
            raise DeliveryRefused(f"the results of {job_id} are deleted; see [store] keep_days")
        sender.send(files)
