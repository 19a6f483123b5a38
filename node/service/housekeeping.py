"""What the node does beside its work: it deletes old images, and queues images that lost their job."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from node.audit.recorder import Note, note_nothing
from node.store.acknowledgements import Acknowledged
from node.store.store import Store
from sgseg_dicom.errors import SgsegError

if TYPE_CHECKING:
    from node.jobs import Entry
    from node.work.measurements import Measurements
    from node.work.queue import Jobs

log = structlog.get_logger(__name__)

TRANSFER_SWEEP_SECONDS = 60.0
"""Short: where the disk fills during transfers, their remains must not block the sender's next attempts for long."""
_HOUSEKEEPING_SECONDS = 3600.0


def repeat(
    stop: threading.Event, action: Callable[[], object], *, every: float = _HOUSEKEEPING_SECONDS
) -> None:
    """Call *action* every so many seconds until *stop* is set; an expected error is logged and ends nothing."""
    while not stop.wait(every):
        try:
            action()
        except SgsegError as error:
            log.error("not_tidied", detail=str(error))


def queue_orphans(store: Store, jobs: "Jobs", *, stop: threading.Event | None = None) -> int:
    """
    Queue the stored images that have no job, and count them.

    A receiver that is killed between storing and queueing leaves one. So does a `requeue`, which deletes a job and
    adds it again. After the queue's file was lost, none has a job; *stop* then ends this early.
    """
    queued = 0
    known = jobs.files()
    # Listed after the jobs: an image that came in between is checked below.
    for image in sorted(store.images() | store.quarantined_images()):
        if image in known:
            continue
        with store.changing():
            job = store.job_of(image)
            if job is not None and jobs.get(job.id) is None:
                jobs.enqueue(job)
                queued += 1
        if stop is not None and stop.is_set():
            break
    if queued:
        log.warning("adopted", jobs=queued)
    return queued


def delete_old(
    store: Store, jobs: "Jobs", keep_days: int, *, now: datetime, note: Note = note_nothing
) -> int:
    """
    Delete all of each job that ended more than *keep_days* ago (0: delete nothing), and count the jobs.

    *note* takes each for the audit trail.
    """
    if keep_days == 0:
        return 0
    limit = (now - timedelta(days=keep_days)).isoformat()
    deleted = 0
    for entry in jobs.ended_before(limit):
        if remove(store, jobs, entry):
            note("deleted", job=entry.job.id, image=entry.job.sop_instance_uid, why="keep_days")
            deleted += 1
    if deleted:
        log.info("forgotten", jobs=deleted)
    return deleted


def forget_measurements(measurements: "Measurements", keep_days: int, *, now: datetime) -> int:
    """Delete what was measured more than *keep_days* ago (0: nothing) for later films, and count it."""
    if keep_days == 0:
        return 0
    forgotten = measurements.forget_before((now - timedelta(days=keep_days)).timestamp())
    if forgotten:
        log.info("measurements_forgotten", films=forgotten)
    return forgotten


def remove(
    store: Store, jobs: "Jobs", entry: "Entry", *, noting: AbstractContextManager[None] | None = None
) -> bool:
    """
    Delete all of a settled job; False where it has been queued again in the meantime, or has not settled.

    *noting* is held while it is deleted, and not entered where nothing is.
    """
    with store.changing():
        if not entry.settled or jobs.get(entry.job.id) != entry:
            return False
        with noting or nullcontext():
            Acknowledged(store.folder).discard(
                entry.job.id
            )  # first: if the image comes again, it is a new one
            store.remove(entry.job.id, entry.job.file)
            jobs.forget(entry)
    return True
