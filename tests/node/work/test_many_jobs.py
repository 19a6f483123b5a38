"""A queue of many jobs: what the status shows takes as long as with a few."""

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median

import pytest

from node import operations
from node.jobs import Ending
from node.store.store import open_store
from node.work import rows
from node.work.queue import Jobs, prepare
from node.work.tables import make_tables
from sgseg_dicom.config import Config
from tests.node.conftest import settings
from tests.node.processes import receive_here

FEW, MANY = 100, 20_000
_SLOWER = 10
"""One pass over all rows makes it two hundred times slower."""
_FAILED = {"ending": "failed", "reason": "KeyError"}
_REFUSED = {"destination": "archive", "state": "refused", "detail": "0xC000"}
_DELIVERED = {**_REFUSED, "state": "delivered"}


def row_of(number: int) -> dict[str, object]:
    return {
        "id": f"{number:032x}-{number:016x}",
        "sop_instance_uid": f"1.2.{number}",
        "file": f"instances/{number}.dcm",
        "conflicting": False,
        "peer": "TESTER",
        "received_at": time.time(),
    }


def add_arrivals(database: sqlite3.Connection, count: int) -> None:
    """Add images that wait."""
    database.executemany(
        "INSERT INTO arrivals (job, sop_instance_uid, file, conflicting, peer, received_at) "
        "VALUES (:id, :sop_instance_uid, :file, :conflicting, :peer, :received_at)",
        [row_of(number) for number in range(count)],
    )


def add_ended(database: sqlite3.Connection, first: int, count: int, *, outcome: dict, sent: dict) -> None:
    """Add images that have ended, as DBOS writes them."""
    whole = {"files": ["sr.dcm"], "destinations": ["archive"], "sends": {}, **outcome}
    for number in range(first, first + count):
        job, now = row_of(number), int(time.time() * 1000)
        workflow = (job["id"], "SUCCESS", "answer", now, now, now)
        database.execute(
            "INSERT INTO workflow_status (workflow_uuid, status, name, created_at, updated_at, completed_at) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            workflow,
        )
        inputs = json.dumps({"namedArgs": {}, "positionalArgs": [job]})
        database.execute(
            "INSERT INTO workflow_input (workflow_uuid, inputs) VALUES (?, ?)", (job["id"], inputs)
        )
        output = json.dumps({"outcome": whole, "deliveries": [sent]}, separators=(",", ":"))
        database.execute(
            "INSERT INTO workflow_output (workflow_uuid, output) VALUES (?, ?)", (job["id"], output)
        )


def store_of(folder: Path, count: int) -> Config:
    """Make a store with so many images that wait, as many that have ended, and one that failed."""
    folder.mkdir()
    config = settings(folder)
    file = prepare(open_store(config).folder)
    make_tables(file)
    with closing(sqlite3.connect(file)) as database, database:
        add_arrivals(database, count)
        add_ended(database, MANY, count, outcome={"ending": "finding"}, sent=_DELIVERED)
        add_ended(database, 3 * MANY, 1, outcome=_FAILED, sent=_DELIVERED)
    return config


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> dict[int, Config]:
    folder = tmp_path_factory.mktemp("stores")
    return {count: store_of(folder / str(count), count) for count in (FEW, MANY)}


def seconds(call: Callable[[], object]) -> float:
    """Give what a call takes, the middle one of several."""
    taken = []
    for _ in range(9):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return median(taken)


def counts(config: Config) -> object:
    with closing(Jobs(config.store.folder / "queue.sqlite")) as jobs:
        return jobs.counts(), jobs.in_work_since(time.time())


def waiting(config: Config) -> object:
    with closing(Jobs(config.store.folder / "queue.sqlite")) as jobs:
        return jobs.waiting()


QUESTIONS: dict[str, Callable[[Config], object]] = {
    "the page's counts": counts,
    "how long images wait": waiting,
    "status": lambda config: operations.latest(config, 20),
    "status --failed": lambda config: operations.needing_attention(config, 20, failed=True),
    "status --overdue": lambda config: operations.needing_attention(config, 20, overdue_minutes=0),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_answer_takes_no_longer_with_many_jobs(stores, question):
    """
    20,000 that wait and 20,000 that have ended, against 100 of each.
    """
    ask = QUESTIONS[question]
    taken = {count: seconds(lambda count=count: ask(stores[count])) for count in (FEW, MANY)}

    assert taken[MANY] < _SLOWER * taken[FEW]


def test_the_answers_are_right_with_many_jobs(stores):
    """
    Counted, and the newest first; one has failed.
    """
    config = stores[MANY]
    with closing(Jobs(config.store.folder / "queue.sqlite")) as jobs:
        counted = jobs.counts()
    shown = operations.latest(config, 2)
    failed = operations.needing_attention(config, 20, failed=True)

    assert counted == {"waiting": MANY, "working": 0, "deliveries waiting": 0}
    assert [entry.job.id for entry in shown] == [row_of(MANY - 1)["id"], row_of(MANY - 2)["id"]]
    assert [(entry.job.id, entry.state) for entry in failed] == [(row_of(3 * MANY)["id"], Ending.FAILED)]


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (
            f"SELECT count(*) FROM workflow_status WHERE {rows.UNFINISHED} AND name = 'deliver'",
            "sgseg_unfinished",
        ),
        (
            f"SELECT min(s.created_at) FROM workflow_status s WHERE s.name = 'answer' AND s.{rows.UNFINISHED}",
            "sgseg_unfinished",
        ),
        (f"SELECT workflow_uuid FROM workflow_output WHERE {rows.TROUBLED}", "sgseg_troubled"),
        ("SELECT count(*) FROM arrivals", "arrivals_counted_by"),
    ],
)
def test_an_index_serves_what_is_asked_often(stores, statement, index):
    """
    Its condition is written as in the statement, letter for letter. Else SQLite would not use it, unnoticed.
    """
    with closing(sqlite3.connect(stores[FEW].store.folder / "queue.sqlite")) as database:
        (plan,) = database.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()

    assert index in plan[3]


@pytest.mark.parametrize(
    ("outcome", "sent", "is_troubled"),
    [
        ({"ending": "failed"}, _DELIVERED, True),
        ({"ending": "quarantined"}, _DELIVERED, True),
        ({"ending": "finding"}, _REFUSED, True),
        ({"ending": "finding"}, {**_REFUSED, "state": "failed"}, True),
        ({"ending": "finding"}, _DELIVERED, False),
        ({"ending": "rejected", "detail": 'it says "ending":"failed"'}, _DELIVERED, False),
    ],
)
def test_what_a_person_must_look_at_is_found_by_what_dbos_writes(configure, outcome, sent, is_troubled):
    """
    Whatever failed; and no text that only speaks of it.
    """
    file = prepare(open_store(configure()).folder)
    make_tables(file)
    with closing(sqlite3.connect(file)) as database, database:
        add_ended(database, 0, 1, outcome=outcome, sent=sent)
    with closing(Jobs(file)) as jobs:
        assert len(jobs.troubled()) == is_troubled


def test_an_image_that_is_an_arrival_and_a_workflow_counts_once(configure):
    """
    A crash of the worker came between the two. Its workflow says how it stands.
    """
    config = configure()
    receive_here(config)
    file = config.store.folder / "queue.sqlite"
    make_tables(file)
    with closing(Jobs(file)) as jobs:
        (waiting,) = jobs.all()
        with closing(sqlite3.connect(file)) as database, database:
            add_ended(database, 7, 1, outcome={"ending": "finding"}, sent=_DELIVERED)
            for table in ("workflow_status", "workflow_input", "workflow_output"):
                database.execute(f"UPDATE {table} SET workflow_uuid = ?", (waiting.job.id,))
            database.execute("UPDATE workflow_status SET status = 'PENDING'")
            database.execute("DELETE FROM workflow_output")
        shown = [jobs.counts()["waiting"], jobs.counts()["working"], len(jobs.all()), len(jobs.latest(5))]

        assert shown == [0, 1, 1, 1]
        assert (jobs.get(waiting.job.id).state, jobs.arrived(5)) == ("working", [])
