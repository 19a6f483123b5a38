"""A store with unfinished workflows of an earlier shape is continued (`tests/node/data_shape_1/README.md`)."""

import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from node.jobs import Sent
from node.store.store import Store
from node.work.queue import SHAPE, prepare
from node.work.take_over import take_over
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
