"""
Storage Commitment (PS3.4 Annex J): a destination says that it keeps our objects, and not only that it got them.

    C-STORE of the objects -> N-ACTION "will you keep these?" -> N-EVENT-REPORT "these yes, those no"

It may report on the association of the N-ACTION, or on one that it opens to our receiver, which is another process.
Both write the report into the store (`node.store.commitments`), where the delivery finds it.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset
from pydicom.filereader import read_file_meta_info
from pydicom.uid import generate_uid

from node.delivery.dimse import DimseSender
from node.store.commitments import Commitments, Report, State, report_of
from sgseg_dicom.errors import DeliveryRefused, NotYetCommitted, PeerUnavailable

MOST_TIMES_SENT = 3
"""So often the objects are sent where the destination says that it did not keep them."""
REASONS = {
    0x0110: "it failed to process it",
    0x0112: "it does not have the object",
    0x0119: "it has the object under another SOP class",
    0x0122: "it does not support the SOP class for this",
    0x0131: "the Transaction UID was used before",
    0x0213: "it is out of resources",
}
"""Failure Reason (0008,1197) -> in words (PS3.3 C.14.1.1)."""
_NO_SUCH_OBJECT = 0x0112
_FOR_GOOD = (0x0119, 0x0122)
"""Failure Reasons that another attempt does not change."""
_HERE_SECONDS = 2.0
"""So long a report is awaited on the association of the request. Most archives report on another one."""
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """An object for which commitment is asked: its SOP Class UID and its SOP Instance UID."""

    sop_class: str
    instance: str


class CommittedDelivery:
    """
    Delivers to a destination that must commit itself; safe to call from many threads.

    Args:
        sender: sends the objects and asks.
        commitments: where requests and reports are noted.
    """

    def __init__(self, sender: DimseSender, commitments: Commitments) -> None:
        self._sender = sender
        self._commitments = commitments
        self._name = sender.destination.name

    def deliver(self, job_id: str, files: Sequence[Path]) -> None:
        """
        Go on with a delivery: read the reports, or send, or ask. It returns when the destination keeps everything.

        Raises:
            NotYetCommitted: the destination has all objects, and was asked or will be.
            PeerUnavailable: another attempt may succeed.
            DeliveryRefused: the destination does not commit itself.
            StorageUnavailable: a request or a report cannot be written.
        """
        references = [_reference(file) for file in files]
        state = self._commitments.state(job_id, self._name)
        if state.again or not state.sent:
            self._commitments.withdraw(job_id, self._name)
            self._sender.send(files)
            state = State(sent=state.sent + 1)
            self._commitments.note(job_id, self._name, state)
        elif self._is_committed(job_id, references, state):
            return
        self._ask(job_id, references)
        if not self._is_committed(job_id, references, state):
            raise NotYetCommitted(
                f"sent, not yet committed: {self._name} was asked, and has not reported yet"
            )

    def wait(self, job_id: str) -> bool:
        """Wait for a report, no longer than `commitment_seconds`. False: none is awaited."""
        deadline = time.monotonic() + self._sender.destination.commitment_seconds
        awaited = self._commitments.awaited(job_id, self._name)
        while awaited and time.monotonic() < deadline and not any(path.exists() for path in awaited):
            time.sleep(_LOOK_SECONDS)
        return bool(awaited)

    def forget(self, job_id: str) -> None:
        """Forget a delivery that was given up."""
        self._commitments.forget(job_id, self._name)

    def _ask(self, job_id: str, references: Sequence[Reference]) -> None:
        transaction = str(generate_uid())
        self._commitments.ask(transaction, job_id, self._name)
        awaited = self._commitments.awaited(job_id, self._name)

        def note(information: Dataset) -> None:
            self._commitments.report(str(information.get("TransactionUID", "")), report_of(information))

        try:
            self._sender.request_commitment(
                _request(transaction, references),
                on_report=note,
                is_over=lambda: any(path.exists() for path in awaited),
                seconds=_HERE_SECONDS,
            )
        except PeerUnavailable:
            self._commitments.withdraw(job_id, self._name, transaction)
            raise
        except DeliveryRefused:
            self._commitments.forget(job_id, self._name)
            raise

    def _is_committed(self, job_id: str, references: Sequence[Reference], state: State) -> bool:
        """
        Read the reports. False: there is none yet.

        Raises:
            NotYetCommitted: the destination did not keep an object. The next attempt sends all again.
            DeliveryRefused: it will not keep an object, or was sent it often enough.
        """
        reports = self._commitments.reports(job_id, self._name)
        if not reports:
            return False
        failed = min((_failed(report, references) for report in reports), key=len)
        if not failed:
            self._commitments.forget(job_id, self._name)
            return True
        words = "; ".join(
            f"{uid}: {REASONS.get(code, f'reason 0x{code:04X}')}" for uid, code in failed.items()
        )
        if state.sent >= MOST_TIMES_SENT or any(code in _FOR_GOOD for code in failed.values()):
            self._commitments.forget(job_id, self._name)
            raise DeliveryRefused(
                f"{self._name} got the objects, but does not commit itself to keep them ({words}); see its log, "
                "then `sgseg-node requeue`"
            )
        self._commitments.note(job_id, self._name, State(sent=state.sent, again=True))
        self._commitments.withdraw(job_id, self._name)
        raise NotYetCommitted(f"sent, not committed, and sent once more: {words}")


def _reference(file: Path) -> Reference:
    meta = read_file_meta_info(file)
    return Reference(
        sop_class=str(meta.MediaStorageSOPClassUID), instance=str(meta.MediaStorageSOPInstanceUID)
    )


def _request(transaction: str, references: Sequence[Reference]) -> Dataset:
    """Make the Action Information of the request (PS3.4 table J.3-1)."""
    request = Dataset()
    request.TransactionUID = transaction
    request.ReferencedSOPSequence = []
    for reference in references:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = reference.sop_class, reference.instance
        request.ReferencedSOPSequence.append(item)
    return request


def _failed(report: Report, references: Sequence[Reference]) -> Mapping[str, int]:
    """Give the objects that are not kept, with the reason; what the report does not name is not kept."""
    return {
        one.instance: report.failed.get(one.instance, _NO_SUCH_OBJECT)
        for one in references
        if one.instance not in report.committed or one.instance in report.failed
    }
