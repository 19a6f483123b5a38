"""An exception -> how a job or a delivery ended, and its line in the log."""

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from node.failures import AnotherAnswer, Defect, ProcessEnded
from node.jobs import Delivery, Ending, Job, Outcome, Sent
from sgseg_dicom.errors import (
    ConflictingInstance,
    DeliveryRefused,
    Disposition,
    InvalidDataset,
    InvalidResult,
    NotApplicable,
    SgsegError,
)

if TYPE_CHECKING:
    from node.judge.judged import Judged

log = structlog.get_logger(__name__)

_QUARANTINED = (
    "The image is quarantined: it is not processed again unless you ask for it with `sgseg-node requeue`"
)


def require_same_summary(before: str, judged: "Judged") -> None:
    """
    Refuse results that contradict those of the same weights, which were sent *before*.

    Raises:
        AnotherAnswer: with the objects, so that a person can compare them.
    """
    now = judged.summary
    if before and before.split()[0] == now.split()[0] and before != now:
        raise AnotherAnswer(
            "the same weights judged the image again and came to another result than before (another device, or a "
            "change of the software); nothing new is sent: look at the image. `sgseg-node requeue` sends the stored "
            "results",
            objects={name: one.decoded() for name, one in judged.objects.items()},
        )


def require_unique(job: Job) -> None:
    """
    Refuse an image that must not be processed at all.

    Raises:
        ConflictingInstance: another image has its SOP Instance UID.
    """
    if job.conflicting:
        raise ConflictingInstance(
            "an image with the same SOP Instance UID and other content is already stored; both files are kept, see "
            f"{job.file}. The sender must give a changed image a new UID"
        )


def is_answerable(error: SgsegError) -> bool:
    """
    Report whether a report can say which image was not judged.

    One image has the UID of another one: a report would seem to speak of that one. Another image has no UIDs.
    """
    if isinstance(error, InvalidDataset):
        return error.names_image
    return not isinstance(error, ConflictingInstance)


def outcome_of(error: SgsegError, *, last: bool = False) -> Outcome:
    """
    Turn an error into the outcome of an image.

    *last*: no further attempt follows. An image that ended its process until then is quarantined.
    """
    if not is_answerable(error):
        ending = Ending.QUARANTINED
    elif last and isinstance(error, ProcessEnded):
        return Outcome(
            ending=Ending.QUARANTINED, reason=type(error).__name__, detail=f"{error}. {_QUARANTINED}"
        )
    elif error.disposition is Disposition.REJECT:
        ending = Ending.REJECTED
    else:
        ending = Ending.FAILED
    if isinstance(error, Defect):
        return Outcome(
            ending=ending, reason=str(error), detail="a defect of this software; the log has the place"
        )
    if isinstance(error, InvalidResult) and error.rules:
        # Only the rules: where each of them is broken stands in the quarantine, beside the objects.
        detail = (
            f"the results broke our own rules ({', '.join(error.rules)}) and are not sent; "
            "report it, update the software, then `sgseg-node requeue`"
        )
        return Outcome(ending=ending, reason=type(error).__name__, detail=detail)
    reason = error.reason.value if isinstance(error, NotApplicable) else type(error).__name__
    again = error.disposition is Disposition.RETRY
    return Outcome(ending=ending, reason=reason, detail=str(error), again=again)


def beside_results(outcome: Outcome) -> Outcome:
    """
    Give the outcome of an image that was judged before, and was not judged when it was processed again.

    Its stored results stay valid. A report "not judged" would contradict them, so a person must look, whatever the
    cause is.
    """
    if outcome.reason == AnotherAnswer.__name__:  # its text is complete
        return outcome
    detail = (
        f"{outcome.detail}; the earlier results stay stored, and stay where they were sent: nothing new is sent. "
        "Look at the image; `sgseg-node requeue` sends the stored results"
    )
    reason = AnotherAnswer.__name__ if outcome.ending is Ending.REJECTED else outcome.reason
    return replace(outcome, ending=Ending.FAILED, reason=reason, detail=detail)


def without_report(outcome: Outcome, failure: Outcome) -> Outcome:
    """
    Give the outcome of an image that was not judged, and for which no report of that could be made or stored.

    The report is promised (`not_judged`), so a person must look. The image may lack what the report needs.
    """
    why = "the same cause" if failure.detail == outcome.detail else f"this: {failure.detail}"
    detail = f"{outcome.detail}. No report of this is sent to anyone, because of {why}"
    return replace(outcome, ending=Ending.FAILED, detail=detail)


def state_of(error: SgsegError | None) -> Sent:
    """Turn the error of a delivery into its state; None means success."""
    if error is None:
        return Sent.DELIVERED
    if isinstance(error, DeliveryRefused):
        return Sent.REFUSED
    return Sent.WAITING if error.disposition is Disposition.RETRY else Sent.FAILED


def log_outcome(job: Job, outcome: Outcome) -> None:
    """Log how an image ended, without patient data (`node.logs`)."""
    a_person_must_look = outcome.ending in (Ending.FAILED, Ending.QUARANTINED)
    (log.warning if a_person_must_look else log.info)(
        "answered",
        job=job.id,
        sop_instance_uid=job.sop_instance_uid,
        ending=outcome.ending.value,
        **_not_empty(reason=outcome.reason, detail=outcome.detail),
        again=outcome.again,
        seconds=outcome.seconds,
    )


def log_delivery(job_id: str, sent: Delivery) -> None:
    """Log how a delivery ended."""
    a_person_must_look = sent.state in (Sent.REFUSED, Sent.FAILED)
    (log.warning if a_person_must_look else log.info)(
        sent.state.value,
        job=job_id,
        destination=sent.destination,
        **_not_empty(detail=sent.detail),
        seconds=sent.seconds,
    )


def _not_empty(**values: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}
