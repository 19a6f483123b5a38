"""What became of images comes into the trail, and nothing about the trail stops the work."""

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from node import app
from node.audit.follower import Follower
from node.audit.trail import Trail
from node.jobs import Ending, Entry, Job, Outcome
from node.judge.in_process import InProcess
from node.store.store import Store
from tests.node.stand_in import StandIn

DAY = 86400.0


def ended(name: str, at: float) -> Entry:
    job = Job(
        id=name, sop_instance_uid="1.2", file=f"{name}.dcm", conflicting=False, peer="A", received_at=at
    )
    return Entry(job=job, state=Ending.REJECTED, outcome=Outcome(ending=Ending.REJECTED, finished_at=at))


class Queue:
    """Jobs that have ended."""

    def __init__(self, *entries: Entry) -> None:
        self.entries = entries

    def ended_since(self, moment: str) -> list[Entry]:
        return list(self.entries)

    def received_since(self, moment: str) -> list[Entry]:
        return list(self.entries)


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail(tmp_path)


def follow(trail: Trail, *entries: Entry) -> Follower:
    return Follower(trail, Queue(*entries), Store(trail.folder.parent))


def answered(trail: Trail) -> list[str]:
    lines = [json.loads(line) for path in trail.files() for line in path.read_bytes().splitlines()]
    return [line["job"] for line in lines if line["event"] == "answered"]


def test_a_trail_that_cannot_be_read_is_said_once_and_read_later(trail, monkeypatch):
    """
    A file of root's, for example. The follower is made all the same.
    """
    now = time.time()
    trail.append([{"event": "started", "at": now}])

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch, capture_logs() as lines:
        patch.setattr("node.audit.follower.lines_of", refuse)
        follower = follow(trail, ended("a", now))
        follower.look()
        follower.look()
    follower.look()

    assert [line["event"] for line in lines] == ["audit_failed"]
    assert answered(trail) == ["a"]


@pytest.mark.parametrize(
    "altered",
    [
        {"at": "yesterday"},
        {"at": "2026-11-30T12:00:00"},
        {"at": 5},
        {"number": "seven"},
        {"number": True},
        {"event": ["answered"]},
        {"job": {"id": "a"}},
        {"destination": ["PACS"]},
    ],
    ids=str,
)
def test_a_line_that_somebody_altered_stops_nothing(trail, altered):
    """
    It is no line of the trail any more; what it said is written again.
    """
    now = time.time()
    trail.append([{"event": "started", "at": now}])
    file = trail.files()[0]
    file.write_bytes(json.dumps({**json.loads(file.read_bytes()), **altered}).encode() + b"\n")
    follow(trail, ended("a", now)).look()

    assert b'"answered"' in file.read_bytes()


def test_what_ended_before_a_pause_of_ten_days_is_written_after_it(trail):
    """
    The worker died before it wrote it. What the trail has, it does not get twice.
    """
    then = time.time() - 10 * DAY
    known, lost = ended("known", then), ended("lost", then + 5)
    follow_then = [{"event": "answered", "at": then, "job": "known", "image": "1.2"}]
    trail.append(follow_then)
    trail.append([{"event": "started", "at": time.time()}])
    follow(trail, known, lost).look()

    assert answered(trail) == ["known", "lost"]


def test_a_trail_that_begins_today_does_not_begin_with_the_past(trail):
    """
    Old events were nobody's to write.
    """
    follow(trail, ended("old", time.time() - 10 * DAY)).look()

    assert answered(trail) == []


def test_the_trail_is_written_once_more_when_the_worker_stops(configure, tmp_path, monkeypatch):
    """
    What ended in the last seconds need not wait for the next start.
    """
    config, stop, looks = configure(), threading.Event(), []
    monkeypatch.setattr(Follower, "look", lambda self: looks.append(1))

    app.work(config, stop, lambda **_: stop.set(), judge=lambda config: InProcess(StandIn(tmp_path)))

    assert looks == [1]


def test_a_worker_works_though_the_trail_cannot_be_read(configure, tmp_path):
    """
    A folder stands where a file of the trail belongs.
    """
    config, stop = configure(), threading.Event()
    (config.store.folder / "audit" / "2026-11-30.jsonl").mkdir(parents=True)
    ready = []

    app.work(
        config,
        stop,
        lambda **_: (ready.append(1), threading.Timer(0.5, stop.set).start()),
        judge=lambda config: InProcess(StandIn(tmp_path)),
    )

    assert ready == [1]


def test_a_damaged_result_stops_nothing(trail):
    """
    Its objects are not named; that the image was answered is.
    """
    now = time.time()
    store = Store(trail.folder.parent)
    store.prepare()
    store.results.write("a", {"sr.dcm": b"nonsense"})
    entry = ended("a", now)
    entry = replace(entry, outcome=replace(entry.outcome, files=("sr.dcm",)))
    Follower(trail, Queue(entry), store).look()

    assert answered(trail) == ["a"]
