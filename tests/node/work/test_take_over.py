"""A store with unfinished workflows of an earlier shape is continued (`tests/node/data_shape_1/README.md`)."""

import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from node.jobs import Sent
from node.store.store import Store
from node.work.queue import SHAPE, open_jobs, prepare
from node.work.tables import make_tables
from node.work.take_over import make_arrivals, take_over
from sgseg_dicom.config import Config
from tests.node.processes import STAND_IN, begun, entry_of, half, settled

STORE = Path(__file__).parents[1] / "data_shape_1" / "store.tar.gz"
WAITING = "1.2.826.0.1.3680043.8.498.11207652496362482994319359728760438603"
DELIVERING = "1.2.826.0.1.3680043.8.498.60408061695418386215352389625019340100"


@pytest.fixture
def config(tmp_path, archive, configure) -> Config:
    """The store with its three destinations, which all answer now."""
    with tarfile.open(STORE) as tar:
        tar.extractall(tmp_path, filter="data")
    return configure(
        destination=[
            archive.destination.model_dump() | {"name": name} for name in ("archive", "down", "silent")
        ]
    )


def test_before_the_worker_starts_the_status_is_as_it_was(config):
    """
    One image waits for a destination, the other one counts as in work.
    """
    waiting, delivering = entry_of(config, WAITING), entry_of(config, DELIVERING)

    assert {sent.destination: sent.state for sent in waiting.deliveries} == {
        "archive": Sent.DELIVERED,
        "down": Sent.WAITING,
    }
    assert (waiting.settled, delivering.state) == (False, "working")


def test_deliveries_that_waited_in_an_earlier_shape_are_made(config, archive, tmp_path):
    """
    Nothing is lost and nothing is judged again: every destination has the kept bytes.
    """
    results = Store(config.store.folder).results
    kept = {path: path.read_bytes() for path in results.path.glob("*/*.dcm")}
    with half(STAND_IN, config, tmp_path) as worker:
        waiting, delivering = settled(config, WAITING, DELIVERING)

    assert {sent.destination: sent.state for sent in waiting.deliveries} == {
        "archive": Sent.DELIVERED,
        "down": Sent.DELIVERED,
    }
    assert {sent.destination: sent.state for sent in delivering.deliveries} == {
        "archive": Sent.DELIVERED,
        "down": Sent.DELIVERED,
        "silent": Sent.DELIVERED,
    }
    assert begun(tmp_path) == []
    assert {path: path.read_bytes() for path in kept} == kept
    assert len(archive.got) == 2 * (1 + 3)
    assert len(set(archive.got)) == 4
    assert [event["workflows"] for event in worker.events("taken_over")] == [3]


def test_what_has_ended_or_has_the_shape_of_now_is_left_alone(config):
    """
    Taken over once, and the second time there is nothing to do.
    """
    prepare(config.store.folder)
    file = config.store.folder / "queue.sqlite"

    assert [take_over(file), take_over(file)] == [3, 0]
    with closing(sqlite3.connect(file)) as database:
        rows = database.execute(
            "SELECT status, application_version, COUNT(*) FROM workflow_status GROUP BY 1, 2"
        )
        assert sorted(rows) == [("ENQUEUED", SHAPE, 3), ("SUCCESS", "1", 1)]


@pytest.fixture
def of_0_3_0(tmp_path, configure) -> Config:
    """The store of 0.3.0, in whose queue one image waits and one counts as in work."""
    with tarfile.open(STORE.parents[1] / "data_0_3_0" / "store.tar.gz") as tar:
        tar.extractall(tmp_path, filter="data")
    return configure()


def test_what_waited_in_the_queue_of_dbos_is_an_arrival(of_0_3_0):
    """
    In the order of then, once; nothing looks into that queue any more. What has ended stays as it is.
    """
    file = prepare(of_0_3_0.store.folder)
    with closing(open_jobs(of_0_3_0)) as jobs:
        before = jobs.all()
        make_tables(file)
        take_over(file)
        moved = [make_arrivals(file), make_arrivals(file)]
        after, arrived = jobs.all(), jobs.arrived(10)
    with closing(sqlite3.connect(file)) as database:
        queues = [name for (name,) in database.execute("SELECT name FROM queues")]

    unfinished = [entry.job for entry in before if entry.state in ("waiting", "working")]
    assert (moved, arrived, queues) == ([2, 0], unfinished, ["deliver"])
    assert {entry.job.id for entry in after} == {entry.job.id for entry in before}
    assert [one for one in after if one.outcome] == [one for one in before if one.outcome]


def test_an_image_that_had_begun_goes_on_as_a_workflow(of_0_3_0):
    """
    Its recorded steps say how often it was tried. DBOS continues at its launch what is in no queue.
    """
    file = prepare(of_0_3_0.store.folder)
    make_tables(file)
    take_over(file)
    with closing(sqlite3.connect(file)) as database, database:
        (begun,) = database.execute(
            "SELECT workflow_uuid FROM workflow_status WHERE name = 'answer' AND status = 'ENQUEUED' LIMIT 1"
        ).fetchone()
        database.execute(
            "INSERT INTO operation_outputs (workflow_uuid, function_id, function_name) VALUES (?, 1, 'answer')",
            (begun,),
        )
    moved = make_arrivals(file)
    with closing(sqlite3.connect(file)) as database:
        row = database.execute(
            "SELECT status, queue_name, executor_id FROM workflow_status WHERE workflow_uuid = ?", (begun,)
        ).fetchone()

    assert (moved, row) == (1, ("PENDING", None, "local"))


def test_an_arrival_that_is_a_workflow_already_is_no_arrival_any_more(config):
    """
    A worker died between the two.
    """
    file = prepare(config.store.folder)
    make_tables(file)
    with closing(open_jobs(config)) as jobs, closing(sqlite3.connect(file)) as database:
        job = jobs.all()[0].job
        with database:
            database.execute(
                "INSERT INTO arrivals (job, sop_instance_uid, file, conflicting, peer, received_at) "
                "VALUES (?, ?, ?, 0, '', 0)",
                (job.id, job.sop_instance_uid, job.file),
            )
        make_arrivals(file)

        assert database.execute("SELECT count(*) FROM arrivals WHERE job = ?", (job.id,)).fetchone() == (0,)
