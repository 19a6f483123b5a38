"""What lies in the quarantine, as a person sees it, and how it is deleted."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from node.audit.person import person_does
from node.jobs import Ending, Entry
from node.operations import marked, require_store
from node.service.housekeeping import remove
from node.store.store import Store, open_store
from node.work.queue import Jobs, look_into_jobs, open_jobs
from sgseg_dicom.config import Config


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldBack:
    """
    One image or one set of results in the quarantine.

    Attributes:
        what: "image" or "results".
        job: its key; "" where the queue does not know it.
        sop_instance_uid: of the image.
        path: of the file, or of the folder with the results.
        reason: in one word, such as "ConflictingInstance", "InvalidDataset", or the rules that were broken.
        received_at: POSIX time, in seconds; 0 where that is not known.
        peer: AE title of the sender.
        acknowledged: whether a person has looked at it.
    """

    what: str
    job: str
    sop_instance_uid: str
    path: str
    reason: str
    received_at: float
    peer: str
    acknowledged: bool


def held_back(config: Config) -> list[HeldBack]:
    """
    Give what lies in the quarantine, the newest first.

    Raises:
        StorageUnavailable: there is no store, or it cannot be read.
    """
    require_store(config)
    store = open_store(config)
    results = store.quarantine.results()
    with closing(look_into_jobs(config)) as jobs:
        known = {entry.job.id: entry for entry in [*jobs.troubled(), *jobs.with_ids(list(results))]}
        entries = marked(config, known.values())
    found = [one for entry in entries for one in _of(entry, store, results)]
    return sorted(found, key=lambda one: -one.received_at)


def named(config: Config, names: Sequence[str]) -> list[Entry]:
    """
    Give the jobs of images that a person names, each by its SOP Instance UID or by its job.

    Raises:
        StorageUnavailable: there is no store, or the queue cannot be read.
    """
    require_store(config)
    with closing(look_into_jobs(config)) as jobs:
        found = [entry for name in names for entry in (*jobs.of(name), *_with_id(jobs, name))]
    return list({entry.job.id: entry for entry in found}.values())


def delete(config: Config, entries: Sequence[Entry]) -> Iterator[Entry]:
    """
    Delete images with their results and their jobs for good; yields each after it is deleted.

    What has not ended, or waits for a destination, is left out.

    Raises:
        StorageUnavailable: the store, the queue or the audit trail cannot be written.
    """
    store = open_store(config)
    with closing(open_jobs(config)) as jobs:
        for entry in entries:
            if not entry.settled:
                continue
            ids = {"job": entry.job.id, "image": entry.job.sop_instance_uid}
            noting = person_does(config, "deleted", at=time.time(), **ids, why="person", was=entry.state)
            if remove(store, jobs, entry, noting=noting):
                if not entry.job.conflicting:  # else it was measured on its namesake, which stays
                    jobs.forget_measurements(entry.job.sop_instance_uid)
                yield entry


def _with_id(jobs: Jobs, name: str) -> list[Entry]:
    entry = jobs.get(name)
    return [entry] if entry else []


def _of(entry: Entry, store: Store, results: dict[str, tuple[str, ...]]) -> Iterator[HeldBack]:
    """Give what of a job lies in the quarantine: its image, its results, or nothing."""
    reason = entry.outcome.reason if entry.outcome else ""
    if entry.state == Ending.QUARANTINED:
        yield _held(entry, "image", store.folder / entry.job.file, reason)
    if entry.job.id in results:
        rules = ", ".join(results[entry.job.id]) or reason
        yield _held(entry, "results", store.quarantine.path / entry.job.id, rules)


def _held(entry: Entry, what: str, path: object, reason: str) -> HeldBack:
    return HeldBack(
        what=what,
        job=entry.job.id,
        sop_instance_uid=entry.job.sop_instance_uid,
        path=str(path),
        reason=reason,
        received_at=entry.job.received_at,
        peer=entry.job.peer,
        acknowledged=entry.acknowledged,
    )
