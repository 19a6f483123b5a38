"""The queue's database, made by whoever comes first."""

import fcntl
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from datetime import UTC, datetime

from node.work import queue
from node.work.queue import open_jobs
from tests.node.processes import STAND_IN, half, receive_here, settled


def test_the_second_process_waits_while_the_first_makes_the_database(tmp_path):
    """
    Receiver and worker start together; SQLite answers "database is locked" at once to a second change of the
    journal mode, which ended the start of the node.
    """
    with ThreadPoolExecutor(1) as pool:
        with open(tmp_path / "queue.lock", "w", encoding="ascii") as first:
            fcntl.flock(first, fcntl.LOCK_EX)
            second = pool.submit(queue.prepare, tmp_path)
            assert not wait([second], timeout=2).done
        file = second.result(timeout=60)

    assert file == tmp_path / "queue.sqlite"


def test_all_jobs_that_ended_are_given_while_they_are_deleted(configure, tmp_path, monkeypatch):
    """
    A part at a time: those that may not go hide no others.
    """
    monkeypatch.setattr("node.work.queue._AT_ONCE", 2)
    config = configure()
    uids = [receive_here(config, seed=seed) for seed in range(5)]
    with half(STAND_IN, config, tmp_path):
        settled(config, *uids)
    with closing(open_jobs(config)) as jobs:
        given = []
        for number, entry in enumerate(jobs.ended_before(datetime.now(UTC).isoformat())):
            given.append(entry.job.sop_instance_uid)
            if number != 0:
                jobs.forget(entry)
        left = [entry.job.sop_instance_uid for entry in jobs.all()]

    assert (sorted(given), left) == (sorted(uids), given[:1])
