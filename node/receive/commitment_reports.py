"""
Takes the reports of Storage Commitment that an archive makes on an association of its own (PS3.4 J.3.3).

The archive opens the association and is the SCP all the same: it proposes that role, and it is accepted (PS3.7
D.3.3.4). The delivery that waits for the report is in another process and finds it in the store.
"""

import structlog
from pydicom.errors import BytesLengthException
from pynetdicom import evt
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]

from node.receive.scp import Handler
from node.store.commitments import Commitments, report_of
from sgseg_dicom.config import Config
from sgseg_dicom.errors import StorageUnavailable

log = structlog.get_logger(__name__)

_SUCCESS, _PROCESSING_FAILURE, _RESOURCE_LIMITATION = 0x0000, 0x0110, 0x0213  # PS3.7 C
_UNREADABLE = (AttributeError, KeyError, ValueError, TypeError, NotImplementedError, BytesLengthException)
"""What pydicom raises for a data set that cannot be read."""


def is_asked_for(config: Config) -> bool:
    """Whether some destination must commit itself."""
    return any(getattr(one, "storage_commitment", False) for one in config.destination)


def context() -> PresentationContext:
    """Give the presentation context for reports: the peer that opens the association may be the SCP."""
    made = build_context(StorageCommitmentPushModel)
    made.scu_role, made.scp_role = False, True
    return made


def handler(commitments: Commitments) -> Handler:
    """Give the handler of reports."""
    return (evt.EVT_N_EVENT_REPORT, on_report, [commitments])


def on_report(event: evt.Event, commitments: Commitments) -> tuple[int, None]:
    """Keep a report durably, and then answer 0000. What nobody waits for (any more) is answered so too."""
    peer = event.assoc.requestor.ae_title
    try:
        information = event.event_information
        transaction, report = str(information.get("TransactionUID", "")), report_of(information)
        awaited = commitments.report(transaction, report)
    except _UNREADABLE as error:
        log.warning(
            "not_understood", peer=peer, detail=f"a report of Storage Commitment: {type(error).__name__}"
        )
        return _PROCESSING_FAILURE, None
    except StorageUnavailable as error:
        log.error("store_failed", peer=peer, detail=str(error))
        return _RESOURCE_LIMITATION, None
    log.info(
        "commitment_reported",
        peer=peer,
        awaited=awaited,
        committed=len(report.committed),
        failed=len(report.failed),
    )
    return _SUCCESS, None
