"""What was raised -> how a job or a delivery ended, and its line in the log."""

import structlog

from node.jobs import TRY_AGAIN, Delivery, Ending, Job, Outcome, Sent
from sgseg_dicom.errors import (
    ConflictingInstance,
    DeliveryRefused,
    Disposition,
    InvalidResult,
    NotApplicable,
    SgsegError,
)

log = structlog.get_logger(__name__)


class Defect(SgsegError):
    """Something else than an SgsegError was raised; the message is its class."""


class AnotherAnswer(SgsegError):
    """Judged anew, the image has another answer than the results that are kept."""


class WorkerDied(SgsegError):
    """The worker died in the middle of the image, again and again."""


def require_processable(job: Job, *, deadly: bool) -> None:
    """Refuse what must not be processed at all."""
    if job.conflicting:
        raise ConflictingInstance(
            "the SOP Instance UID is already kept with other content; both are kept, see "
            f"{job.file}. The sender must give a changed image a new UID"
        )
    if deadly:
        raise WorkerDied(f"the worker died in the middle of it again and again; {TRY_AGAIN}")


def outcome_of(error: SgsegError) -> Outcome:
    """Translate what was raised instead of results."""
    if isinstance(error, ConflictingInstance):
        ending = Ending.QUARANTINED
    elif error.disposition is Disposition.REJECT:
        ending = Ending.REJECTED
    else:
        ending = Ending.FAILED
    if isinstance(error, Defect):
        return Outcome(
            ending=ending, reason=str(error), detail="a defect of this software; its log says where"
        )
    if isinstance(error, InvalidResult) and error.rules:
        # The rules alone: where each is broken is in the quarantine, beside the objects.
        detail = (
            f"results of ours broke our own rules ({', '.join(error.rules)}) and are not sent; "
            "report it, update the software, then `sgseg-node requeue`"
        )
        return Outcome(ending=ending, reason=type(error).__name__, detail=detail)
    reason = error.reason if isinstance(error, NotApplicable) else type(error).__name__
    again = error.disposition is Disposition.RETRY
    return Outcome(ending=ending, reason=reason, detail=str(error), again=again)


def state_of(error: SgsegError | None) -> Sent:
    """Translate what a delivery raised."""
    if error is None:
        return Sent.DELIVERED
    if isinstance(error, DeliveryRefused):
        return Sent.REFUSED
    return Sent.WAITING if error.disposition is Disposition.RETRY else Sent.FAILED


def log_outcome(job: Job, outcome: Outcome) -> None:
    """Write how an image ended; no patient data (`node.logs`)."""
    a_person_must_look = outcome.ending in (Ending.FAILED, Ending.QUARANTINED)
    (log.warning if a_person_must_look else log.info)(
        "answered",
        job=job.id,
        ending=outcome.ending.value,
        **_known(reason=outcome.reason, detail=outcome.detail),
        again=outcome.again,
        seconds=outcome.seconds,
    )


def log_delivery(job_id: str, sent: Delivery) -> None:
    """Write how a delivery ended."""
    a_person_must_look = sent.state in (Sent.REFUSED, Sent.FAILED)
    (log.warning if a_person_must_look else log.info)(
        sent.state.value,
        job=job_id,
        destination=sent.destination,
        **_known(detail=sent.detail),
        seconds=sent.seconds,
    )


def _known(**values: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}
