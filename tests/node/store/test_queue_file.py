"""The queue's file: what counts as damage, and what is done about it."""

import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from node.service.housekeeping import queue_orphans
from node.store.queue_file import QUEUE_FILE, identity_of, set_aside, why_damaged
from node.store.store import open_store
from node.work.lasting_jobs import LastingJobs
from node.work.queue import Jobs, open_jobs, prepare
from sgseg_dicom.config import Config
from tests.node.processes import entry_of, receive_here


@pytest.fixture
def config(configure) -> Config:
    """A store with an image that has a job."""
    config = configure()
    receive_here(config)
    return config


def overwritten(file: Path, start: int, length: int) -> None:
    """Write nonsense over a part of *file*."""
    with os.fdopen(os.open(file, os.O_WRONLY), "wb") as target:
        target.seek(start)
        target.write(b"\xff" * length)


def middle_overwritten(file: Path) -> None:
    overwritten(file, 8192, file.stat().st_size - 8192)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "header": (lambda file: overwritten(file, 0, 4096), "file is not a database"),
    "cut": (lambda file: os.truncate(file, file.stat().st_size // 2), "malformed"),
    "emptied": (lambda file: os.truncate(file, 0), "it was emptied"),
    "middle": (middle_overwritten, "malformed|error"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found(config, damage):
    """
    Whatever a bad disk or a wrong command leaves of it.
    """
    folder = config.store.folder
    damaged, words = DAMAGES[damage]
    damaged(folder / QUEUE_FILE)

    assert re.search(words, why_damaged(folder, thorough=True, in_use=True))


def test_a_locked_queue_is_not_damaged(config):
    """
    Somebody's backup must not cost the queue.
    """
    with closing(sqlite3.connect(config.store.folder / QUEUE_FILE)) as database:
        database.execute("BEGIN EXCLUSIVE")

        assert why_damaged(config.store.folder, thorough=True, in_use=True) == ""


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_queue_is_set_aside_and_rebuilt_at_the_start(config, damage):
    """
    Every image gets its job again; the damaged file stays, for whoever wants to look at it.
    """
    store = open_store(config)
    with closing(open_jobs(config)) as jobs:
        before = jobs.all()
    DAMAGES[damage][0](store.folder / QUEUE_FILE)

    with capture_logs() as lines:
        prepare(store.folder, thorough=True)
    with closing(open_jobs(config)) as jobs:
        adopted, after = queue_orphans(store, jobs), jobs.all()

    kept = [line["kept_as"] for line in lines if line["event"] == "queue_damaged"]
    assert len(kept) == 1
    assert (store.folder / kept[0]).exists()
    assert (adopted, [entry.job.id for entry in after]) == (1, [entry.job.id for entry in before])


def test_a_deleted_queue_is_rebuilt_with_its_conflicting_images(config):
    """
    An image whose UID was used twice stays in the quarantine, and in the status.
    """
    uid = entry_of(config, receive_here(config, seed=1)).job.sop_instance_uid
    receive_here(config, seed=2, SOPInstanceUID=uid)
    store = open_store(config)
    with closing(open_jobs(config)) as jobs:
        before = {(entry.job.id, entry.job.file, entry.job.conflicting) for entry in jobs.all()}
    for file in store.folder.glob("queue.sqlite*"):
        file.unlink()

    with capture_logs() as lines, closing(open_jobs(config)) as jobs:
        queue_orphans(store, jobs)
        after = {(entry.job.id, entry.job.file, entry.job.conflicting) for entry in jobs.all()}

    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["queue_missing"]
    assert (len(after), after) == (3, before)


def test_the_queue_of_a_new_store_is_not_called_missing(configure):
    """
    A first start is no fault.
    """
    with capture_logs() as lines:
        open_jobs(configure()).close()

    assert [line for line in lines if line["log_level"] in ("error", "warning")] == []


@pytest.mark.parametrize("what", ["deleted", "replaced"])
def test_the_next_image_goes_into_the_queue_that_the_store_has(config, what):
    """
    Success must not be said for a row in a file that nobody will read.
    """
    entry = entry_of(config, receive_here(config, seed=1))
    jobs = LastingJobs(config.store.folder)
    (config.store.folder / QUEUE_FILE).unlink()
    if what == "replaced":
        prepare(config.store.folder)
    jobs.enqueue(entry.job)
    jobs.close()

    with closing(open_jobs(config)) as now:
        assert [found.job for found in now.all()] == [entry.job]


def test_an_image_is_queued_again_where_the_file_went_in_that_moment(config, monkeypatch):
    """
    The row went into the file that was just deleted.
    """
    entry = entry_of(config, receive_here(config, seed=1))
    jobs, enqueue = LastingJobs(config.store.folder), Jobs.enqueue
    left = [1]

    def deleted_meanwhile(self: Jobs, job: object) -> None:
        enqueue(self, job)  # type: ignore[arg-type]
        if left:
            left.pop()
            (config.store.folder / QUEUE_FILE).unlink()

    monkeypatch.setattr(Jobs, "enqueue", deleted_meanwhile)
    jobs.enqueue(entry.job)
    jobs.close()

    with closing(open_jobs(config)) as now:
        assert [found.job for found in now.all()] == [entry.job]


def test_a_receiver_alone_replaces_a_damaged_queue(config):
    """
    Senders get A700 until then, and not for ever.
    """
    entry = entry_of(config, receive_here(config, seed=1))
    jobs = LastingJobs(config.store.folder)
    overwritten(config.store.folder / QUEUE_FILE, 0, 4096)
    before = identity_of(config.store.folder)

    jobs.look_after()
    jobs.enqueue(entry.job)
    jobs.close()

    assert identity_of(config.store.folder) != before
    assert len(list(config.store.folder.glob("queue.damaged-*Z"))) == 1


def test_a_renamed_queue_takes_nothing_of_the_new_one_with_it(config):
    """
    SQLite deletes the log beside a database by its name when the last process closes it. The name is the new one's.
    """
    folder = config.store.folder
    former = Jobs(prepare(folder))
    entry = former.all()[0]
    set_aside(folder, now=datetime.now(UTC))
    now = Jobs(prepare(folder))
    now.enqueue(entry.job)
    former.close()

    assert [found.job for found in now.all()] == [entry.job]
    now.close()
    assert why_damaged(folder, thorough=True, in_use=True) == ""
