"""What the log says of a destination is true, and said once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from node.delivery import availability as module
from node.delivery.availability import Availability
from sgseg_dicom.errors import DeliveryRefused, PeerUnavailable

DOWN, UP = "destination_down", "destination_up"


def noted(*attempts: tuple[Exception | None, int]) -> list[tuple[str, str]]:
    """Note attempts at "archive" in this order, with its successes when each began; give what the log says."""
    availability = Availability()
    with capture_logs() as lines:
        for error, successes in attempts:
            availability.note("archive", error, successes=successes, ended_at=1.0)
    return [(line["event"], line.get("detail", "")) for line in lines]


BUSY, UNKNOWN = PeerUnavailable("busy"), PeerUnavailable("does not know us")


@pytest.mark.parametrize(
    ("attempts", "said"),
    [
        ([(None, 0)], []),
        ([(BUSY, 0), (BUSY, 0)], [(DOWN, "busy")]),
        ([(BUSY, 0), (PeerUnavailable("busy; the next attempt is not before 5 s"), 0)], [(DOWN, "busy")]),
        ([(BUSY, 0), (UNKNOWN, 0)], [(DOWN, "busy"), (DOWN, "does not know us")]),
        ([(BUSY, 0), (None, 0), (BUSY, 1)], [(DOWN, "busy"), (UP, ""), (DOWN, "busy")]),
        ([(None, 0), (BUSY, 0)], []),
        ([(DeliveryRefused("not this object"), 0)], []),
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
    availability = Availability()
    with ThreadPoolExecutor(2) as threads:
        for _ in range(2):
            threads.submit(availability.note, "archive", BUSY, successes=0, ended_at=2.0)

    assert said == [DOWN]
    assert availability.why_down("archive") == "busy"


def test_what_is_not_known_of_a_destination():
    """
    It is not down, and has taken nothing yet.
    """
    availability = Availability()

    assert availability.why_down("archive") == ""
    assert availability.successes("archive") == 0
    assert availability.taken_at("archive") == 0.0


def test_who_waits_for_a_destination_goes_on_when_it_takes_something():
    """
    Long before the end of the pause; and at once where it took something since the attempt.
    """
    availability = Availability()
    availability.note("archive", BUSY, successes=0, ended_at=1.0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(availability.wait, "archive", 600.0, successes=0)
        assert not wait([waiting], timeout=0.2).done
        availability.note("another", None, successes=0, ended_at=2.0)
        assert not wait([waiting], timeout=0.2).done
        availability.note("archive", None, successes=0, ended_at=3.0)
        assert wait([waiting], timeout=60).done

    availability.wait("archive", 600.0, successes=0)
