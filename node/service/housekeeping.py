"""What the node does beside its work: old images go, lost ones are found, half-written ones are swept."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from node.store.acknowledgements import Acknowledged
from node.store.store import Store
from sgseg_dicom.errors import SgsegError

if TYPE_CHECKING:
    from node.work.queue import Jobs

log = structlog.get_logger(__name__)

TRANSFER_SWEEP_SECONDS = 60.0
"""A disk that fills during a transfer leaves a part of it; a sender that tries again must not fill it for an hour."""
_TIDY_SECONDS = 3600.0


def tidy(stop: threading.Event, action: Callable[[], object], *, every: float = _TIDY_SECONDS) -> None:
    """Do *action* every so many seconds until *stop* is set; a disk that fails now may do well the next time."""
    while not stop.wait(every):
        try:
            action()
        except SgsegError as error:
            log.error("not_tidied", detail=str(error))


def adopt(store: Store, jobs: "Jobs") -> int:
    """
    Queue images that have no job; give their number.

    Killed between the two, a receiver leaves one, and a `requeue`, which takes a job out and puts it in again.
    """
    adopted = 0
    known = jobs.files()
    for image in store.images():  # asked for last: what comes meanwhile is known, or looked for below
        if image in known:
            continue
        with store.changing():
            job = store.job_of(image)
            if job is not None and jobs.get(job.id) is None:
                jobs.enqueue(job)
                adopted += 1
    if adopted:
        log.warning("adopted", jobs=adopted)
    return adopted


def forget_old(store: Store, jobs: "Jobs", keep_days: int, *, now: datetime) -> int:
    """Delete images, results and records of jobs that ended more than *keep_days* ago; give their number."""
    if keep_days == 0:
        return 0
    limit = (now - timedelta(days=keep_days)).isoformat()
    forgotten = 0
    for entry in jobs.ended_before(limit):
        with store.changing():
            if entry.settled and jobs.get(entry.job.id) == entry:  # it may have been queued again meanwhile
                Acknowledged(store.folder).discard(entry.job.id)  # first: if the image comes again, it is new
                store.remove(entry.job.id, entry.job.file)
                jobs.forget(entry)
                forgotten += 1
    if forgotten:
        log.info("forgotten", jobs=forgotten)
    return forgotten
