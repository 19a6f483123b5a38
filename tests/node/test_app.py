"""What the halves do beside their work."""

import sqlite3
import threading

import pytest

from node.app import greeting, open_jobs, open_store
from node.upkeep import adopt, tidy
from sgseg_dicom.config import Destination
from sgseg_dicom.errors import StorageUnavailable
from tests.node.processes import entry_of, receive_here


def test_tidying_goes_on_after_a_storage_error():
    """
    A disk that is full for an hour does not end the half that wanted to delete something.
    """
    stop, calls = threading.Event(), []

    def action() -> None:
        calls.append(1)
        if len(calls) == 3:
            stop.set()
        raise StorageUnavailable("the disk is full")

    tidy(stop, action, every=0.001)

    assert len(calls) == 3


def test_a_broken_database_is_told_when_a_job_is_forgotten(configure):
    """
    As an expected error, like everywhere else.
    """
    config = configure()
    entry = entry_of(config, receive_here(config))
    jobs = open_jobs(config)
    with sqlite3.connect(config.store.folder / "queue.sqlite") as database:
        database.execute("DROP TABLE workflow_status")
    database.close()

    with pytest.raises(StorageUnavailable, match="database cannot be used"):
        jobs.forget(entry)
    jobs.close()


def test_an_image_without_a_job_is_adopted(configure):
    """
    Killed between file and job, a receiver leaves one; it becomes the job that it would have been, once.
    """
    config = configure()
    lost = entry_of(config, receive_here(config, seed=1))
    kept = entry_of(config, receive_here(config, seed=2))
    store, jobs = open_store(config), open_jobs(config)
    jobs.forget(lost)
    (store.folder / "instances" / "00" / "stray.dcm").write_bytes(b"not DICOM")

    numbers = [adopt(store, jobs), adopt(store, jobs)]

    again = jobs.get(lost.job.id)
    assert numbers == [1, 0]
    assert (again.job.file, again.job.sop_instance_uid) == (lost.job.file, lost.job.sop_instance_uid)
    assert jobs.get(kept.job.id) == kept
    jobs.close()


def test_the_start_says_who_hears_nothing_of_images_that_were_not_judged(configure):
    """
    Silence could be taken for a normal image.
    """
    told, silent = (
        Destination(name=name, ae_title="PACS", host="127.0.0.1", port=104, not_judged=name == "told")
        for name in ("told", "silent")
    )
    config = configure()

    def said(*destinations):
        own = config.model_copy(update={"destination": destinations})
        return greeting(own, port=11112, page_port=80).splitlines()

    assert len(said()) == len(said(told)) == 1
    first, second = said(told, silent)
    assert "results go to told" in first
    assert second.startswith("silent: nothing is sent for an image that was not judged")
