"""What a person asks of the node: to list the images, to acknowledge them, and to process them again."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import replace

from node.audit.person import person_does
from node.jobs import Entry
from node.store.acknowledgements import Acknowledged
from node.store.queue_file import QUEUE_FILE
from node.store.store import open_store
from node.work.queue import look_into_jobs, open_jobs
from sgseg_dicom.config import Config
from sgseg_dicom.errors import StorageUnavailable


def latest(config: Config, limit: int) -> list[Entry]:
    """
    Give the last *limit* images, the newest first.

    Raises:
        StorageUnavailable: there is no store. This function makes none.
    """
    require_store(config)
    with closing(look_into_jobs(config)) as jobs:
        return marked(config, jobs.latest(limit))


def needing_attention(
    config: Config, limit: int, *, failed: bool = False, overdue_minutes: float | None = None
) -> list[Entry]:
    """
    Give the last *limit* images that a person must look at, the newest first.

    Args:
        config: the settings that name the store.
        limit: the largest number of images.
        failed: give those that failed, those with a failed delivery, and those in quarantine, until a person has
            acknowledged them.
        overdue_minutes: give those that arrived at least so long ago and still wait, or whose results still wait;
            None: do not give them.

    Raises:
        StorageUnavailable: there is no store. This function makes none: with a wrong path monitoring would never
            report anything.
    """
    require_store(config)
    found: list[Entry] = []
    with closing(look_into_jobs(config)) as jobs:
        if failed:
            found += [entry for entry in marked(config, jobs.troubled()) if entry.needs_look]
        if overdue_minutes is not None:
            late = jobs.unsettled(limit, received_before=time.time() - 60 * overdue_minutes)
            found += marked(config, late)
    distinct = {entry.job.id: entry for entry in found}.values()
    return sorted(distinct, key=lambda entry: -entry.job.received_at)[:limit]


def acknowledge(config: Config, sop_instance_uids: Sequence[str], *, failed: bool) -> Iterator[Entry]:
    """
    Remember that a person has looked at images that needed it: those that are named or, if *failed*, all.

    Nothing is deleted, sent or judged. An image whose results still wait for a destination is left out.
    Yields each image after it is acknowledged.

    Raises:
        StorageUnavailable: there is no store, or it or the queue's database cannot be used.
    """
    require_store(config)
    store = open_store(config)
    acknowledged = Acknowledged(store.folder)
    with closing(open_jobs(config)) as jobs:
        named = jobs.troubled() if failed else [entry for uid in sop_instance_uids for entry in jobs.of(uid)]
        for job_id in dict.fromkeys(entry.job.id for entry in marked(config, named) if entry.needs_look):
            with store.changing():
                entry = jobs.get(job_id)
                # It may have been queued again in the meantime. And while a result waits for another destination,
                # nobody can have seen how that ends.
                if entry is None or not entry.needs_look or not entry.settled:
                    continue
                with _noted(config, "acknowledged", entry):
                    acknowledged.add(job_id)
            yield entry


def requeue(
    config: Config, sop_instance_uids: Sequence[str], *, failed: bool, anew: bool = False
) -> Iterator[Entry]:
    """
    Queue settled jobs once more: those of the images that are named and, if *failed*, all that failed.

    Of the failed ones, those that a person has acknowledged are left out.

    Stored results are sent again as they are. With *anew* the image is judged again with the settings of now.
    Yields each job after it is queued.

    Raises:
        StorageUnavailable: there is no store, or it or the queue's database cannot be used.
    """
    require_store(config)
    store = open_store(config)
    acknowledged = Acknowledged(store.folder)
    with closing(open_jobs(config)) as jobs:
        named = [entry for uid in sop_instance_uids for entry in jobs.of(uid)]
        known = marked(config, jobs.troubled()) if failed else []
        lost = [entry for entry in known if entry.lost and not entry.acknowledged]
        for job_id in dict.fromkeys(entry.job.id for entry in named + lost):
            with store.changing():
                entry = jobs.get(job_id)
                if entry is None or not entry.settled or entry.job.conflicting:  # it would conflict again
                    continue
                with _noted(config, "requeued", entry, anew=anew):
                    if anew:
                        store.results.request_new_judgement(job_id)
                    acknowledged.discard(job_id)  # first: nobody has seen how it will end now
                    jobs.again(entry.job)
            yield entry


def _noted(config: Config, event: str, entry: Entry, **facts: bool) -> AbstractContextManager[None]:
    """Write into the audit trail what a person does with an image, and what it was before."""
    ids = {"job": entry.job.id, "image": entry.job.sop_instance_uid}
    return person_does(config, event, at=time.time(), **ids, was=entry.state, **facts)


def require_store(config: Config) -> None:
    """
    Refuse a folder in which no node has run.

    Raises:
        StorageUnavailable: there is no queue.
    """
    folder = config.store.folder
    if not (folder / QUEUE_FILE).exists():
        raise StorageUnavailable(
            f"no node has run with the store {folder.absolute()}: name the node's own settings with --config, or "
            "start it first"
        )


def marked(config: Config, entries: Iterable[Entry]) -> list[Entry]:
    """Give the entries with `acknowledged` set."""
    acknowledged = Acknowledged(config.store.folder)
    return [replace(entry, acknowledged=entry.job.id in acknowledged) for entry in entries]
