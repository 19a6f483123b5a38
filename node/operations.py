"""What a person asks of the node: what came in, what wants a look, and to answer it again."""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from node.store.acknowledgements import Acknowledged
from node.store.store import QUEUE_FILE, open_store
from node.work.queue import open_jobs
from sgseg_dicom.config import Config
from sgseg_dicom.errors import StorageUnavailable

if TYPE_CHECKING:
    from node.jobs import Entry


def latest(config: Config, limit: int) -> "list[Entry]":
    """
    Give the last *limit* images, the newest first.

    Raises:
        StorageUnavailable: there is no store: none is made by looking.
    """
    _require_store(config)
    with closing(open_jobs(config)) as jobs:
        return _marked(config, jobs.latest(limit))


def wanting(
    config: Config, limit: int, *, failed: bool = False, overdue_minutes: float | None = None
) -> "list[Entry]":
    """
    Give the last *limit* images that want a look, the newest first.

    Args:
        config: whose store is looked at.
        limit: images at most.
        failed: those whose answer was lost, through our fault or a destination's, and those in quarantine, until
            somebody has acknowledged them.
        overdue_minutes: those that came so long ago or earlier and wait, or whose results do; None: not these.

    Raises:
        StorageUnavailable: there is no store: none is made by looking, and a wrong path must not look well for ever.
    """
    _require_store(config)
    latest = -math.inf if overdue_minutes is None else time.time() - 60 * overdue_minutes

    def wants(entry: "Entry") -> bool:
        return (failed and entry.needs_look) or (not entry.settled and entry.job.received_at <= latest)

    with closing(open_jobs(config)) as jobs:
        return [entry for entry in reversed(_marked(config, jobs.all())) if wants(entry)][:limit]


def acknowledge(config: Config, sop_instance_uids: Sequence[str], *, failed: bool) -> "Iterator[Entry]":
    """
    Remember that somebody has looked at images that want it: those that are named or, if *failed*, all.

    Nothing is deleted, sent or judged. One whose results still wait for a destination is left for later.
    Gives each image once that is done.

    Raises:
        StorageUnavailable: there is no store, or it or the queue's database cannot be used.
    """
    _require_store(config)
    store = open_store(config)
    seen = Acknowledged(store.folder)
    with closing(open_jobs(config)) as jobs:
        named = jobs.all() if failed else [entry for uid in sop_instance_uids for entry in jobs.of(uid)]
        for job_id in dict.fromkeys(entry.job.id for entry in _marked(config, named) if entry.needs_look):
            with store.changing():
                entry = jobs.get(job_id)
                # It may have been queued again meanwhile; and where a result still waits for another destination,
                # how that ends nobody can have seen.
                if entry is None or not entry.needs_look or not entry.settled:
                    continue
                seen.add(job_id)
            yield entry


def requeue(
    config: Config, sop_instance_uids: Sequence[str], *, failed: bool, anew: bool = False
) -> "Iterator[Entry]":
    """
    Queue settled jobs once more: those of the images that are named and, if *failed*, all whose answer was lost.

    Of the latter, those that somebody has acknowledged are left alone.

    What is kept is sent again as it was; with *anew* the image is judged under the settings of now. Gives each job
    once it is queued.

    Raises:
        StorageUnavailable: there is no store, or it or the queue's database cannot be used.
    """
    _require_store(config)
    store = open_store(config)
    seen = Acknowledged(store.folder)
    with closing(open_jobs(config)) as jobs:
        named = [entry for uid in sop_instance_uids for entry in jobs.of(uid)]
        unseen = _marked(config, jobs.all()) if failed else []
        lost = [entry for entry in unseen if entry.lost and not entry.acknowledged]
        for job_id in dict.fromkeys(entry.job.id for entry in named + lost):
            with store.changing():
                entry = jobs.get(job_id)
                if entry is None or not entry.settled or entry.job.conflicting:  # it would conflict again
                    continue
                if anew:
                    store.results.request_new_judgement(job_id)
                seen.discard(job_id)  # before: how it ends now, nobody has seen
                jobs.again(entry.job)
            yield entry


def _require_store(config: Config) -> None:
    """
    Refuse a folder in which no node has ever run.

    Raises:
        StorageUnavailable: there is no queue.
    """
    folder = config.store.folder
    if not (folder / QUEUE_FILE).exists():
        raise StorageUnavailable(
            f"no node has run with the store {folder.absolute()}: name the node's own settings with --config, or "
            "start it first"
        )


def _marked(config: Config, entries: "Iterable[Entry]") -> "list[Entry]":
    """Say of each whether somebody has acknowledged it."""
    seen = Acknowledged(config.store.folder)
    return [replace(entry, acknowledged=entry.job.id in seen) for entry in entries]
