"""Accepts C-ECHO, and C-STORE of projection radiographs. No pixel is decoded here."""

import re
import shutil
import time
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Any, Protocol

import structlog
from pydicom import Dataset
from pynetdicom import evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from node.audit.recorder import Note, note_nothing
from node.jobs import Entry, Job
from node.receive.data_sets import why_refused
from node.receive.urgency import places_of
from node.store.acknowledgements import Acknowledged
from node.store.store import Store, StoredImage
from node.time_limit import time_limit
from sgseg_dicom.accepted_objects import SOP_CLASSES, TRANSFER_SYNTAXES
from sgseg_dicom.errors import InvalidDataset, StorageUnavailable
from sgseg_dicom.result_kinds import OBJECT_TYPES, Kind
from sgseg_dicom.senders import Sender

log = structlog.get_logger(__name__)

_UID = re.compile(r"[0-9.]{1,64}")
_RESULT_CLASSES = tuple(
    sop_class for kind in (Kind.SEG, Kind.SR, Kind.TEXT) for sop_class in OBJECT_TYPES[kind].sop_classes
)
"""What the demo's archive takes."""
Handler = tuple[evt.EventType, Callable[..., Any], list[Any]]


class StoreStatus(IntEnum):
    """The C-STORE statuses that we may return (PS3.4 table B.2-1, PS3.7 C)."""

    SUCCESS = 0x0000
    DUPLICATE_SOP_INSTANCE = 0x0111
    OUT_OF_RESOURCES = 0xA700
    CANNOT_UNDERSTAND = 0xC000


class Jobs(Protocol):
    """What the receiver needs of `node.work.queue.Jobs`."""

    def enqueue(self, job: Job) -> bool:
        """Queue *job* durably; a job that is already known stays as it is: False."""
        ...

    def get(self, job_id: str) -> Entry | None:
        """Give the job as the status shows it; None where it is not known."""
        ...

    def again(self, job: Job) -> None:
        """Queue *job* once more, though it has settled."""
        ...


def contexts() -> list[PresentationContext]:
    """Give the presentation contexts that the receiver supports."""
    storage = [build_context(sop_class, list(TRANSFER_SYNTAXES)) for sop_class in SOP_CLASSES]
    return [build_context(Verification), *storage]


def handlers(
    store: Store,
    jobs: Jobs,
    *,
    answer_seconds: float = 10.0,
    priority_places: int = 0,
    clock: Callable[[], float] = time.time,
    note: Note = note_nothing,
) -> list[Handler]:
    """
    Give the receiver's event handlers.

    *answer_seconds*: how long a C-STORE waits for locks of store and queue. *priority_places*: how far an urgent
    image moves forward in the queue. *note* takes events for the audit trail.
    """
    return [(evt.EVT_C_STORE, on_c_store, [store, jobs, answer_seconds, priority_places, clock, note])]


def on_c_store(
    event: evt.Event,
    store: Store,
    jobs: Jobs,
    answer_seconds: float,
    priority_places: int,
    clock: Callable[[], float],
    note: Note = note_nothing,
) -> StoreStatus | Dataset:
    """Store the instance and queue it. SUCCESS means that both are on disk (PS3.4 B.2.3)."""
    peer, received_at = event.assoc.requestor.ae_title, clock()
    try:
        with time_limit(answer_seconds):
            sender: Sender | None = getattr(event.assoc, "sender", None)  # `node.receive.one_thread`
            places = places_of(
                getattr(event.request, "Priority", None),
                sender=sender.priority if sender else "as-sent",
                most=priority_places,
            )
            stored, job, is_known = _stored_and_queued(event, store, jobs, received_at, places)
            repeated = is_known and _repeated(job, store, jobs, was_deleted=stored.new)
    except InvalidDataset as error:
        log.warning("not_understood", peer=peer, detail=str(error))
        note("not_taken", **_sender(event), status=f"{StoreStatus.CANNOT_UNDERSTAND:04X}")
        return StoreStatus.CANNOT_UNDERSTAND
    except StorageUnavailable as error:
        log.error("store_failed", peer=peer, detail=str(error))
        note("not_taken", **_sender(event), status=f"{StoreStatus.OUT_OF_RESOURCES:04X}")
        return StoreStatus.OUT_OF_RESOURCES
    note(
        "received",
        **_sender(event),
        at=received_at,
        job=job.id,
        how="conflicting" if stored.conflicting else "new" if stored.new else "known",
    )
    seconds = round(clock() - received_at, 4)
    log.info(
        "received",
        job=job.id,
        sop_instance_uid=job.sop_instance_uid,
        peer=peer,
        new=stored.new,
        repeated=repeated,
        seconds=seconds,
    )
    if stored.conflicting:
        log.warning("conflicting", job=job.id, peer=peer)
        return _with_comment(
            StoreStatus.DUPLICATE_SOP_INSTANCE, "UID already stored with other content: quarantined"
        )
    return StoreStatus.SUCCESS


def _stored_and_queued(
    event: evt.Event, store: Store, jobs: Jobs, received_at: float, places: int
) -> tuple[StoredImage, Job, bool]:
    """
    Store the image and queue its job; no job can be removed in between. Give also whether the job was known.
    """
    if why := why_refused(event.request):
        raise StorageUnavailable(why)
    instance = _sop_instance_uid(event)
    with store.adding():
        stored = store.put(event.dataset_path, instance)
        job = Job(
            id=stored.id,
            sop_instance_uid=instance,
            file=stored.file,
            conflicting=stored.conflicting,
            peer=event.assoc.requestor.ae_title,
            received_at=received_at,
            places=places,
        )
        is_known = not jobs.enqueue(job)
    return stored, job, is_known


def _sender(event: evt.Event) -> dict[str, str]:
    """Give the facts of a C-STORE request for the audit trail; a peer that writes no UID gets none written."""
    image = str(getattr(event.request, "AffectedSOPInstanceUID", None) or "")
    requestor = event.assoc.requestor
    return {
        "image": image if _UID.fullmatch(image) else "",
        "sender": requestor.ae_title,
        "address": str(requestor.address or ""),
    }


def _repeated(job: Job, store: Store, jobs: Jobs, *, was_deleted: bool) -> bool:
    """
    Queue an image again if it came again after its job failed: the sender still wants a result.

    *was_deleted*: the image was gone and its job was not, because a crash came between the deletions of both; then
    it is queued again however that ended.
    """

    def is_wanted(entry: Entry | None) -> bool:
        return entry is not None and (entry.settled if was_deleted else entry.lost)

    if not is_wanted(jobs.get(job.id)):  # most often; nobody has to wait for the lock
        return False
    with store.changing():
        if not is_wanted(jobs.get(job.id)):
            return False
        Acknowledged(store.folder).discard(job.id)  # first: nobody has seen how it will end now
        jobs.again(job)
        return True


def result_contexts() -> list[PresentationContext]:
    """Give the presentation contexts of an archive for our results."""
    return [build_context(sop_class) for sop_class in _RESULT_CLASSES]


def keep_in(folder: Path) -> list[Handler]:
    """Give the handlers of a simple archive: every object becomes <folder>/<SOP Instance UID>.dcm."""

    def on_store(event: evt.Event) -> StoreStatus:
        shutil.move(event.dataset_path, folder / f"{_sop_instance_uid(event)}.dcm")
        return StoreStatus.SUCCESS

    return [(evt.EVT_C_STORE, on_store, [])]


def _sop_instance_uid(event: evt.Event) -> str:
    """Give the UID of the command; `sgseg_dicom.reading.read` refuses an image whose data set has another one."""
    request = event.request
    if not isinstance(request, C_STORE) or not request.AffectedSOPInstanceUID or not event.dataset_path:
        raise InvalidDataset("a C-STORE request without SOP Instance UID or data set (PS3.7 9.3.1.1)")
    if not _UID.fullmatch(request.AffectedSOPInstanceUID):  # the status shows it
        raise InvalidDataset("the SOP Instance UID of the C-STORE request is no UID (PS3.5 9.1)")
    return str(request.AffectedSOPInstanceUID)


def _with_comment(status: StoreStatus, comment: str) -> Dataset:
    response = Dataset()
    response.Status, response.ErrorComment = int(status), comment
    return response
