"""What the log says of a destination is true, and said once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from node import peers as module
from node.peers import Peers
from sgseg_dicom.errors import DeliveryRefused, PeerUnavailable

DOWN, UP = "destination_down", "destination_up"


def noted(*attempts: tuple[Exception | None, float, float]) -> list[tuple[str, str]]:
    """Note attempts at "archive" in this order; give what the log says."""
    peers = Peers()
    with capture_logs() as lines:
        for error, began_at, ended_at in attempts:
            peers.note("archive", error, began_at=began_at, ended_at=ended_at)
    return [(line["event"], line.get("detail", "")) for line in lines]


BUSY, UNKNOWN = PeerUnavailable("busy"), PeerUnavailable("does not know us")


@pytest.mark.parametrize(
    ("attempts", "said"),
    [
        ([(None, 1, 2)], []),
        ([(BUSY, 1, 2), (BUSY, 2, 3)], [(DOWN, "busy")]),
        ([(BUSY, 1, 2), (PeerUnavailable("busy; left alone for 5 s"), 2, 3)], [(DOWN, "busy")]),
        ([(BUSY, 1, 2), (UNKNOWN, 2, 3)], [(DOWN, "busy"), (DOWN, "does not know us")]),
        ([(BUSY, 1, 2), (None, 2, 3), (BUSY, 3, 4)], [(DOWN, "busy"), (UP, ""), (DOWN, "busy")]),
        ([(None, 2, 3), (BUSY, 1, 4)], []),
        ([(DeliveryRefused("not this object"), 1, 2)], []),
    ],
    ids=["taken", "once", "more words", "another cause", "up again", "an old failure", "refused"],
)
def test_the_log_says_when_that_changes(attempts: Sequence[Any], said: list[tuple[str, str]]):
    """
    A failure that began before the destination took something is no news.
    """
    assert noted(*attempts) == said


def test_attempts_that_fail_side_by_side_are_said_once(monkeypatch):
    """
    Both find it down at the same moment: without a lock both would say so.
    """
    both, said = Barrier(2), []

    def warning(event: str, **_: Any) -> None:
        said.append(event)
        with suppress(BrokenBarrierError):  # a second one that says it too would come while the first waits
            both.wait(timeout=0.5)

    monkeypatch.setattr(module, "log", SimpleNamespace(warning=warning))
    peers = Peers()
    with ThreadPoolExecutor(2) as threads:
        for _ in range(2):
            threads.submit(peers.note, "archive", BUSY, began_at=1.0, ended_at=2.0)

    assert said == [DOWN]
    assert peers.why_down("archive") == "busy"


def test_what_is_not_known_of_a_destination():
    """
    It is not down, and has taken nothing yet.
    """
    peers = Peers()

    assert peers.why_down("archive") == ""
    assert peers.taken_at("archive") == 0.0
