"""What was raised -> how a job or a delivery ended, and its line in the log."""

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from node.jobs import TRY_AGAIN, Delivery, Ending, Job, Outcome, Sent
from sgseg_dicom.errors import (
    ConflictingInstance,
    DeliveryRefused,
    Disposition,
    InvalidDataset,
    InvalidResult,
    NotApplicable,
    SgsegError,
)
from sgseg_dicom.zones import ZONES

if TYPE_CHECKING:
    from sgseg_dicom.records import Results

log = structlog.get_logger(__name__)


class Defect(SgsegError):
    """Something else than an SgsegError was raised; the message is its class."""


class AnotherAnswer(InvalidResult):
    """Judged anew by the same weights, the image has another answer than the results that are kept."""


class WorkerDied(SgsegError):
    """The worker died in the middle of the image, again and again."""


def answer_of(results: "Results") -> str:
    """
    Say in a few letters what results say of the image, and whose weights said so: "df16e54c... PAAUAA R".

    Of each zone P, A or U (present, absent, undetermined), of each region its lung. A pixel more or less is the
    same answer.
    """
    finding = results.finding
    zones = "".join(finding.judgement_of(zone).value[0].upper() for zone in ZONES)
    lungs = "".join(region.laterality.value for region in finding.regions) or "-"
    weights = next((ds.get("DeviceSerialNumber") for ds in results.files.values()), None) or "-"
    return f"{weights} {zones} {lungs}"


def require_same_answer(before: str, results: "Results") -> None:
    """
    Refuse results that say something else than those of the same weights which went out *before*.

    Raises:
        AnotherAnswer: with the objects, for a person to compare.
    """
    now = answer_of(results)
    if before and before.split()[0] == now.split()[0] and before != now:
        raise AnotherAnswer(
            "judged anew by the same weights the image has another answer than before (another device, or a change "
            "of the software); nothing new is sent: look at the image. `sgseg-node requeue` sends what was kept",
            objects=results.files,
        )


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
    if isinstance(error, ConflictingInstance) or (
        isinstance(error, InvalidDataset) and not error.names_image
    ):
        ending = Ending.QUARANTINED  # no answer could say of which image it is
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


def beside_results(outcome: Outcome) -> Outcome:
    """
    Say how an image ended that was judged before and, asked anew, was not: its results are kept, and stand.

    Whatever the cause, a person must look: an answer "not judged" beside results that were sent contradicts them.
    """
    if outcome.reason == AnotherAnswer.__name__:  # it says so itself
        return outcome
    detail = (
        f"{outcome.detail}; the results of before are kept, and stay where they were sent: nothing new is sent. "
        "Look at the image; `sgseg-node requeue` sends what was kept"
    )
    reason = AnotherAnswer.__name__ if outcome.ending is Ending.REJECTED else outcome.reason
    return replace(outcome, ending=Ending.FAILED, reason=reason, detail=detail)


def without_answer(outcome: Outcome, answer: Outcome) -> Outcome:
    """
    Say how an image ended that was not judged, and whose coded answer could not be made, or not be kept, either.

    A person must look: the answer is promised (`not_judged`), and the image may not have what it would need.
    """
    why = "that" if answer.detail == outcome.detail else answer.detail
    detail = f"{outcome.detail}. No answer says so to anyone, because of {why}"
    return replace(outcome, ending=Ending.FAILED, detail=detail)


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
        sop_instance_uid=job.sop_instance_uid,
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
