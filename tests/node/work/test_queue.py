"""The queue's database, made by whoever comes first."""

import fcntl
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from datetime import UTC, datetime

from node.work import queue
from node.work.queue import open_jobs
from sgseg_dicom.config import Destination
from tests.node.processes import STAND_IN, half, receive_here, settled, wait_for
from tests.support.ports import free_ports


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


def all_judged(jobs: queue.Jobs) -> queue.Waiting | None:
    """Give what waits when two images have their answers, and their results wait."""
    found = jobs.waiting()
    return found if not found.oldest and found.deliveries.get("nobody", (0, 0))[0] == 2 else None


def test_what_waits_is_known_with_its_age(configure, tmp_path):
    """
    The oldest image without an answer, and the results for each destination; afterwards nothing waits.
    """
    nobody = Destination(name="nobody", ae_title="NOBODY", host="127.0.0.1", port=free_ports(1)[0])
    config = configure(destination=[nobody.model_dump()], queue={"jobs_at_once": 1})
    began = time.time()
    slow = receive_here(config, seed=1, ImageComments="slow")
    receive_here(config, seed=2)
    with closing(open_jobs(config)) as jobs:
        as_arrivals = jobs.waiting()
        with half(STAND_IN, config, tmp_path):
            wait_for(lambda: jobs.counts()["working"] == 1, what="the first to be in work")
            in_work = jobs.waiting()
            (tmp_path / "go").touch()
            judged = wait_for(lambda: all_judged(jobs), what="both to be judged")
        received = jobs.of(slow)[0].job.received_at

    assert as_arrivals == in_work == queue.Waiting(oldest=received)
    assert began - 1 < judged.deliveries["nobody"][1] < time.time() + 1
