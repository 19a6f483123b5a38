"""/ready tells what a sender would get."""

import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from node.store.queue_file import QUEUE_FILE
from tests.node.conftest import settings
from tests.node.processes import wait_for
from tests.system.faults.whole_node import WholeNode, whole_node


@pytest.fixture(scope="module")
def node(tmp_path_factory) -> Iterator[WholeNode]:
    """One node for all faults: each is undone, and it must be ready again."""
    folder = tmp_path_factory.mktemp("node")
    with whole_node(settings(folder), folder) as node:
        yield node


@contextmanager
def frozen(node: WholeNode, role: str) -> Iterator[None]:
    half = node.half(role)
    half.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        half.send_signal(signal.SIGCONT)


@contextmanager
def locked(node: WholeNode) -> Iterator[None]:
    with closing(sqlite3.connect(node.config.store.folder / QUEUE_FILE, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


FAULTS: dict[str, tuple[Callable[[WholeNode], object], str]] = {
    "a frozen receiver": (lambda node: frozen(node, "receive"), "the receiver does not answer"),
    "a frozen worker": (lambda node: frozen(node, "work"), "the worker has given no sign of life"),
    "a locked queue": (locked, "the queue cannot be written"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_no_sender_could_use_is_not_ready(node, fault):
    """
    503 within seconds, with the reason alone; and 200 again when it is over.
    """
    made, words = FAULTS[fault]
    assert node.ready() == (200, [])
    with made(node):  # type: ignore[attr-defined]
        status, problems = wait_for(
            lambda: (found := node.ready())[0] == 503 and found, what="503", seconds=20
        )
    assert (status, [words in problem for problem in problems]) == (503, [True])
    wait_for(lambda: node.ready()[0] == 200, what="200", seconds=20)
