"""An archive that is asked for Storage Commitment (PS3.4 J), and reports as a test wants it."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.presentation import build_role
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance
from pynetdicom.transport import ThreadedAssociationServer

from sgseg_dicom.config import Destination
from tests.node.processes import Archive

Way = Literal["here", "elsewhere", "never"]


class CommittingArchive(Archive):
    """
    Answers each N-ACTION with *status*, and reports "here" (the same association), "elsewhere", or "never".

    `failures` has the Failure Reason of each object in the order in which it was sent, for one report after another;
    an object without one is committed.
    """

    def __init__(self, way: Way, *, status: int = 0x0000, failures: Sequence[Mapping[int, int]] = ()) -> None:
        self.way, self.status, self.failures = way, status, list(failures)
        self.asked: list[Dataset] = []
        self.answers_to_reports: list[int] = []
        self.reports_to = 0
        super().__init__()

    def start(self) -> None:
        """Listen, also for N-ACTION."""
        if all(one.abstract_syntax != StorageCommitmentPushModel for one in self.ae.supported_contexts):
            self.ae.add_supported_context(StorageCommitmentPushModel)
        self._server = self.ae.make_server(
            ("127.0.0.1", self.port),
            evt_handlers=[(evt.EVT_C_STORE, self._on_store), (evt.EVT_N_ACTION, self._on_action)],
            server_class=ThreadedAssociationServer,
        )
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def destination(self) -> Destination:
        """Give what the configuration calls it."""
        return super().destination.model_copy(update={"storage_commitment": True, "commitment_seconds": 60.0})

    def _on_action(self, event: evt.Event) -> tuple[int, None]:
        request = event.action_information
        self.asked.append(request)
        if self.status == 0 and self.way != "never":
            threading.Thread(target=self._report, args=(event.assoc, request), daemon=True).start()
        return self.status, None

    def _report(self, association: object, request: Dataset) -> None:
        if self.way == "here":
            self._send(association, request)
        else:
            self.report_elsewhere(request)

    def report_elsewhere(self, request: Dataset) -> None:
        """Report on an association of our own, as the SCP that we are."""
        ae = AE("ARCHIVE")
        ae.add_requested_context(StorageCommitmentPushModel)
        role = build_role(StorageCommitmentPushModel, scp_role=True)
        association = ae.associate("127.0.0.1", self.reports_to, ext_neg=[role], ae_title="SGSEG")
        self._send(association, request)
        association.release()

    def _send(self, association: Any, request: Dataset) -> None:
        failures = self.failures.pop(0) if self.failures else {}
        report = Dataset()
        report.TransactionUID = request.TransactionUID
        committed, failed = [], []
        for number, item in enumerate(request.ReferencedSOPSequence):
            if number in failures:
                item.FailureReason = failures[number]
            (failed if number in failures else committed).append(item)
        report.ReferencedSOPSequence = committed
        if failed:
            report.FailedSOPSequence = failed
        event_type = 2 if failed else 1  # PS3.4 J.3.3.1
        status, _ = association.send_n_event_report(
            report, event_type, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        self.answers_to_reports.append(status.Status)
