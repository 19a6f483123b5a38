"""Somebody holds a lock of store or queue and never gives it back: every sender has its answer all the same."""

import fcntl
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from node.receive import scp
from node.receive.listener import Listener, listen
from node.service.housekeeping import queue_orphans
from node.service.readiness import Readiness
from node.store.queue_file import QUEUE_FILE
from node.store.store import Store
from node.work import queue
from node.work.lasting_jobs import LastingJobs
from sgseg_dicom.config import Receive
from tests.node.conftest import settings
from tests.node.raw_peer import connected, echo_message, play, read_pdu, request, status_of, store_message
from tests.node.receive.test_odd_peers import image

ANSWER_SECONDS = 1.0
SENDERS = 12
Hold = Callable[[Store], object]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.prepare()
    return store


@pytest.fixture
def jobs(store: Store) -> Iterator[queue.Jobs]:
    """Give the receiver's own queue."""
    jobs = queue.Jobs(queue.prepare(store.folder))
    yield jobs
    jobs.close()


@pytest.fixture
def listener(store: Store, jobs: queue.Jobs) -> Iterator[Listener]:
    listener = listen(
        Receive.model_validate({"port": 0, "idle_seconds": 120.0}, context={"free_ports": True}),
        contexts=scp.contexts(),
        handlers=scp.handlers(store, jobs, answer_seconds=ANSWER_SECONDS),
        spool=store.incoming,
    )
    yield listener
    listener.stop(patience_seconds=0)


@contextmanager
def queue_locked(store: Store) -> Iterator[None]:
    """Write to the queue's database, and do not come to an end."""
    with sqlite3.connect(store.folder / QUEUE_FILE, isolation_level=None) as database:
        database.execute("BEGIN EXCLUSIVE")
        yield
        database.execute("ROLLBACK")
    database.close()


@contextmanager
def store_locked(store: Store) -> Iterator[None]:
    """Change jobs, and do not come to an end."""
    with (store.folder / "jobs.lock").open("w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


LOCKS = pytest.mark.parametrize("hold", [queue_locked, store_locked])


def seconds_until_answered(port: int) -> tuple[list[str], float]:
    """Send an image and then a C-ECHO over one association; give the answers, and what the first one took."""
    uid, data = image()
    with connected(port) as peer:
        peer.sendall(request())
        read_pdu(peer)
        started = time.monotonic()
        for message in store_message(uid, data):
            peer.sendall(message)
        answers = [f"0x{status_of(read_pdu(peer)[1]):04X}"]
        seconds = time.monotonic() - started
        peer.sendall(echo_message()[0])
        return [*answers, f"0x{status_of(read_pdu(peer)[1]):04X}"], seconds


@LOCKS
def test_every_sender_is_answered_while_the_lock_is_held(
    listener: Listener, store: Store, hold: Hold
) -> None:
    """A700 for each of many at once, none after another, and the association lives on."""
    with hold(store):  # type: ignore[attr-defined]
        _, alone = seconds_until_answered(listener.port)
        with ThreadPoolExecutor(SENDERS) as pool:
            answered = list(pool.map(seconds_until_answered, [listener.port] * SENDERS))

    assert [answers for answers, _ in answered] == [["0xA700", "0x0000"]] * SENDERS
    assert max(seconds for _, seconds in answered) < 4 * alone
    assert list(store.incoming.iterdir()) == []


@LOCKS
def test_an_image_that_could_not_be_queued_is_stored_once_when_it_comes_again(
    listener: Listener, store: Store, jobs: queue.Jobs, hold: Hold
) -> None:
    """The sender tries again when the lock has gone: success, one file and one job."""
    uid, data = image()
    messages = store_message(uid, data)
    with hold(store):  # type: ignore[attr-defined]
        first = play(listener.port, request(), messages, answers=1)
    again = play(listener.port, request(), messages, answers=1)

    assert (first[1], again[1]) == ("0xA700", "0x0000")
    assert len(store.images()) == 1
    assert [entry.job.sop_instance_uid for entry in jobs.all()] == [uid]


def test_an_image_that_could_not_be_queued_is_adopted(
    listener: Listener, store: Store, jobs: queue.Jobs
) -> None:
    """Also where its sender never comes again: it is on disk, and housekeeping queues it."""
    uid, data = image()
    with queue_locked(store):
        play(listener.port, request(), store_message(uid, data), answers=1)

    assert jobs.all() == []
    assert queue_orphans(store, jobs) == 1
    assert [entry.job.sop_instance_uid for entry in jobs.all()] == [uid]


def test_an_image_that_comes_again_while_others_are_added_waits_for_nobody(
    listener: Listener, store: Store
) -> None:
    """Whether its job failed is looked up without the lock that keeps all others out."""
    uid, data = image()
    messages = store_message(uid, data)
    play(listener.port, request(), messages, answers=1)
    with store.adding():
        answers = play(listener.port, request(), messages, answers=1)

    assert answers == ["accepted", "0x0000", "released"]


def test_ready_says_that_a_lock_of_the_store_is_held(store: Store, tmp_path: Path) -> None:
    """Every sender gets A700 then: /ready is what a sender would get, and it comes to an end."""
    nothing = SimpleNamespace(ready={}, children={})
    config = settings(tmp_path)
    with closing(LastingJobs(store.folder)) as jobs:
        before = Readiness(lambda: config, nothing, store, jobs, echo=lambda port: "")()  # type: ignore[arg-type]
        with store_locked(store):
            held = Readiness(lambda: config, nothing, store, jobs, echo=lambda port: "")()  # type: ignore[arg-type]

    assert before.problems == ()
    assert [problem for problem in held.problems if "holds a lock of the store" in problem]
