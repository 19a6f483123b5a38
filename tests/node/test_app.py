"""What the halves do beside their work."""

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing import Pipe
from types import SimpleNamespace

import pytest

from node import app
from node.app import greeting, load_pipeline
from node.jobs import Delivery, Ending, Outcome, Sent
from node.judge.asked_worker import AskedWorker
from node.judge.in_process import InProcess
from node.judge.messages import Answer
from node.service.housekeeping import delete_old, queue_orphans, repeat
from node.service.readiness import Readiness
from node.store.store import open_store
from node.work.lasting_jobs import LastingJobs
from node.work.queue import open_jobs
from sgseg_dicom.config import Destination
from sgseg_dicom.errors import StorageUnavailable
from tests.node.processes import entry_of, receive_here
from tests.node.stand_in import StandIn


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

    repeat(stop, action, every=0.001)

    assert len(calls) == 3


def test_a_broken_database_is_told_when_a_job_is_forgotten(configure):
    """
    As an expected error, like everywhere else.
    """
    config = configure()
    entry = entry_of(config, receive_here(config))
    jobs = open_jobs(config)
    with sqlite3.connect(config.store.folder / "queue.sqlite") as database:
        database.execute("DROP TABLE arrivals")
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

    numbers = [queue_orphans(store, jobs), queue_orphans(store, jobs)]

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


def test_results_that_wait_for_an_archive_are_not_forgotten(configure):
    """
    It may be down for longer than [store] keep_days.
    """
    config = configure()
    store, entry = open_store(config), entry_of(config, receive_here(config))
    store.results.write(entry.job.id, {"sr.dcm": b"x"})
    waiting = Delivery(destination="archive", state=Sent.WAITING)
    outcome = Outcome(ending=Ending.FINDING)
    waits = replace(entry, state=Ending.FINDING, outcome=outcome, deliveries=(waiting,))
    forgotten = []
    jobs = SimpleNamespace(ended_before=lambda limit: [waits], get=lambda job: waits, forget=forgotten.append)

    assert delete_old(store, jobs, 1, now=datetime.now(UTC)) == 0
    assert forgotten == []
    assert store.results.folder_of(entry.job.id) is not None
    assert (store.folder / entry.job.file).exists()


def test_the_node_judges_as_its_settings_say(configure):
    """
    With the image check, which is the default; in the site's language; undeclared bytes as the site means them.
    """
    config = configure(report={"language": "de"}, receive={"undeclared_character_set": "gb18030"})
    ours, theirs = Pipe()
    theirs.send(Answer())  # there is room for the image of the warm-up
    worker = AskedWorker(ours, max_megapixels=64)
    made = load_pipeline(config, worker)

    assert made.image_check is not None
    assert (made.segmenter, made.require_room) == (worker, worker.require_room)
    assert made.language.code == "de"
    assert made.undeclared_character_set == "gb18030"


def test_a_worker_begins_with_what_a_crash_left(configure, tmp_path):
    """
    An image that is kept and not queued, and results that were being replaced.
    """
    config = configure()
    uid = receive_here(config)
    with closing(open_jobs(config)) as jobs:
        jobs.forget(entry_of(config, uid))
    store = open_store(config)
    (store.results.path / ".former-x").mkdir()
    (store.results.path / ".former-x" / "sr.dcm").write_bytes(b"1")
    stop = threading.Event()

    app.work(config, stop, lambda **_: stop.set(), judge=lambda config: InProcess(StandIn(tmp_path)))

    assert entry_of(config, uid)
    assert store.results.folder_of("x") is not None


def test_the_watermark_is_in_megabytes_and_ready_tells_of_it(configure):
    """
    A million gigabytes are free nowhere.
    """
    config = configure(store={"min_free_megabytes": 10**9})
    store = open_store(config)
    with closing(LastingJobs(store.folder)) as jobs:
        told = Readiness(
            lambda: config, SimpleNamespace(ready={}, children={}), store, jobs, echo=lambda port: ""
        )()

    assert any("1000000000 MB must stay free" in problem for problem in told.problems)
