"""The queue's file is deleted or damaged under a running node: every image is answered all the same."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from node.store.queue_file import QUEUE_FILE
from tests.node.conftest import configure as configure
from tests.node.processes import Archive, begun, wait_for
from tests.system.faults.whole_node import whole_node


@pytest.fixture
def archive():
    """A destination that stores everything."""
    peer = Archive()
    yield peer
    peer.close()


def deleted(store: Path) -> None:
    """As by `rm queue.sqlite*`."""
    for file in store.glob("queue.sqlite*"):
        file.unlink()


def overwritten(store: Path) -> None:
    """As by a bad disk. What SQLite still has in the log beside the file would hide it."""
    with closing(sqlite3.connect(store / QUEUE_FILE)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with os.fdopen(os.open(store / QUEUE_FILE, os.O_WRONLY), "wb") as file:
        file.write(b"\xff" * (store / QUEUE_FILE).stat().st_size)


@pytest.mark.parametrize("fault", [deleted, overwritten])
def test_every_image_is_answered_though_the_queue_is_lost(
    configure, archive, tmp_path, capsys, fault: Callable[[Path], None]
):
    """
    One that was answered before, one that is in work in that moment, and one that comes afterwards. What was judged
    is not judged again: its kept bytes go out once more.
    """
    config = configure(archive)
    with whole_node(config, tmp_path) as node:
        before = node.send(seed=1)
        node.settled(before)
        first = list(archive.got)
        in_work = node.send(seed=2, ImageComments="slow")
        wait_for((tmp_path / "inside").exists, what="the image to be in work")
        worker = node.half("work").pid
        fault(config.store.folder)
        wait_for(lambda: node.half("work").pid != worker, what="the worker to notice it", seconds=60)
        (tmp_path / "go").touch()
        node.settled(before, in_work)
        afterwards = node.send(seed=3)
        entries = node.settled(before, in_work, afterwards)

    assert [entry.state for entry in entries] == ["finding"] * 3
    assert set(first) <= set(archive.got[len(first) :])
    assert (begun(tmp_path).count(before), begun(tmp_path).count(afterwards)) == (1, 1)
    assert len(node.events("queue_lost")) == 1
    found = "queue_missing" if fault is deleted else "queue_damaged"
    assert (
        len(node.events(found)) + capsys.readouterr().out.count(found) == 1
    )  # the first that needs it mends it
