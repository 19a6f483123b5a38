"""The way of an image from the receiver's row to a workflow: by a notice, or by a look where the notice was lost."""

import json
import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import asdict
from types import SimpleNamespace

import pytest
from dbos import _workflow_commands
from dbos._dbos import DBOSRegistry

from node.jobs import Job
from node.store.queue_file import QUEUE_FILE
from node.store.store import open_store
from node.work.intake import Intake
from node.work.notices import PIPE, Notices, notify
from node.work.queue import Jobs, open_jobs, prepare
from node.work.quiet_dbos import Interrupted, look_seldom
from node.work.running import Running
from node.work.tables import make_tables
from sgseg_dicom.errors import StorageUnavailable
from tests.node.processes import STAND_IN, half, receive_here, settled

_FAR_TOO_LONG = 60.0


def job(number: int) -> Job:
    """Give a job without an image."""
    return Job(
        id=f"{number:032x}-{number:016x}",
        sop_instance_uid=f"1.2.{number}",
        file=f"instances/{number}.dcm",
        conflicting=False,
        peer="TESTER",
        received_at=float(number),
    )


def test_a_notice_wakes_the_worker(configure, archive, tmp_path):
    """
    The image is answered long before the worker would look by itself.
    """
    config = configure(archive, queue={"polling_seconds": _FAR_TOO_LONG})
    with half(STAND_IN, config, tmp_path):
        first = receive_here(config, seed=1)
        settled(config, first, seconds=_FAR_TOO_LONG / 2)
        second = receive_here(config, seed=2)
        entries = settled(config, first, second, seconds=_FAR_TOO_LONG / 2)

    assert [entry.state for entry in entries] == ["finding"] * 2


def test_an_image_whose_notice_was_lost_is_found_all_the_same(configure, archive, tmp_path, monkeypatch):
    """
    The worker looks by itself, too.
    """
    monkeypatch.setattr("node.work.queue.notify", lambda folder: None)
    config = configure(archive)
    with half(STAND_IN, config, tmp_path):
        (entry,) = settled(config, receive_here(config))

    assert entry.state == "finding"


@pytest.mark.parametrize("there", ["nothing", "a pipe that nobody reads", "a full pipe", "a file"])
def test_a_notice_never_fails_and_never_waits(tmp_path, there):
    """
    Whoever queues an image must not depend on the worker. A file in the pipe's place stays as it is.
    """
    with closing(Notices(tmp_path)) as listening:
        if there == "a full pipe":
            for _ in range(70_000):
                notify(tmp_path)
            listening.wait(0)
    if there in ("nothing", "a file"):
        (tmp_path / PIPE).unlink()
    if there == "a file":
        (tmp_path / PIPE).write_bytes(b"mine")
    notify(tmp_path)

    assert not (tmp_path / PIPE).is_file() or (tmp_path / PIPE).read_bytes() == b"mine"


def test_the_pipe_is_the_nodes_own_and_survives_a_restart(tmp_path):
    """
    Nobody else can wake the worker; the pipe that an earlier worker left is used again.
    """
    for _ in range(2):
        with closing(Notices(tmp_path)) as listening:
            notify(tmp_path)
            listening.wait(_FAR_TOO_LONG)  # comes back at once

    assert stat.S_IMODE(os.stat(tmp_path / PIPE).st_mode) == 0o600


def test_a_link_in_the_place_of_the_pipe_is_not_followed(tmp_path):
    """
    Somebody who could write into the store once may have left it there.
    """
    os.mkfifo(tmp_path / "other")
    (tmp_path / PIPE).symlink_to(tmp_path / "other")
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_NONBLOCK)
    notify(tmp_path)

    with pytest.raises(BlockingIOError):
        os.read(other, 1)
    os.close(other)


@pytest.fixture
def jobs(configure):
    """A queue without a worker, with the tables of one."""
    with closing(open_jobs(configure())) as jobs:
        make_tables(jobs.folder / QUEUE_FILE)
        yield jobs


def as_workflow(jobs: Jobs, one: Job) -> None:
    """Make a workflow of a job, as DBOS does."""
    with closing(sqlite3.connect(jobs.folder / QUEUE_FILE)) as database, database:
        database.execute(
            "INSERT INTO workflow_status (workflow_uuid, status, name, created_at, updated_at) "
            "VALUES (?, 'PENDING', 'answer', 1, 1)",
            (one.id,),
        )
        inputs = json.dumps({"namedArgs": {}, "positionalArgs": [asdict(one)]})
        database.execute("INSERT INTO workflow_input (workflow_uuid, inputs) VALUES (?, ?)", (one.id, inputs))


def arrivals_of(jobs: Jobs) -> list[str]:
    """Give the ids of all rows that the receiver wrote and that are still there."""
    with closing(sqlite3.connect(jobs.folder / QUEUE_FILE)) as database:
        return [row[0] for row in database.execute("SELECT job FROM arrivals ORDER BY number")]


def intake(jobs: Jobs, start, *, room: int = 100) -> Intake:
    """Give an intake that runs in no thread."""
    return Intake(jobs, None, room=lambda: room, start=start, look_seconds=1.0)  # type: ignore[arg-type]


def test_images_begin_in_the_order_in_which_they_came_and_no_more_than_there_is_room_for(jobs):
    """
    Whatever their ids and times.
    """
    numbers = [5, 3, 9, 1]
    for number in numbers:
        jobs.enqueue(job(number))
    begun: list[Job] = []

    def start(one: Job) -> None:
        as_workflow(jobs, one)
        begun.append(one)

    intake(jobs, start, room=3)._take()

    assert begun == [job(number) for number in numbers[:3]]
    assert arrivals_of(jobs) == [job(1).id]


def test_an_image_that_cannot_be_begun_stays_queued(jobs):
    """
    The disk is full. What had begun before it is not begun again.
    """
    for number in (1, 2, 3):
        jobs.enqueue(job(number))
    begun: list[Job] = []

    def start(one: Job) -> None:
        if len(begun) == 1:
            raise StorageUnavailable("the disk is full")
        as_workflow(jobs, one)
        begun.append(one)

    with pytest.raises(StorageUnavailable):
        intake(jobs, start)._take()

    assert begun == [job(1)]
    assert arrivals_of(jobs) == [job(2).id, job(3).id]


def test_an_image_is_not_begun_twice_where_its_row_could_not_be_deleted(jobs, monkeypatch):
    """
    The database was locked in that moment. The row goes with the next look.
    """
    jobs.enqueue(job(1))
    begun: list[Job] = []

    def start(one: Job) -> None:
        as_workflow(jobs, one)
        begun.append(one)

    taking, taken = intake(jobs, start), Jobs.taken

    def locked(*_: object) -> None:
        monkeypatch.setattr(Jobs, "taken", taken)
        raise StorageUnavailable("locked")

    monkeypatch.setattr(Jobs, "taken", locked)
    with pytest.raises(StorageUnavailable):
        taking._take()
    taking._take()

    assert (begun, arrivals_of(jobs)) == ([job(1)], [])


def test_an_image_that_is_queued_again_before_its_row_was_deleted_stays_queued(jobs):
    """
    It failed at once and came again, while the worker still had the row of the first time to delete.
    """
    jobs.enqueue(job(1))

    def start(one: Job) -> None:
        as_workflow(jobs, one)
        jobs.again(one)

    intake(jobs, start)._take()

    assert jobs.arrived(10) == [job(1)]


def test_places_are_held_for_images_that_an_earlier_worker_left(jobs):
    """
    Else each crash would add to the images in work. When all of them run, this is told once.
    """
    told: list[str] = []
    running = Running(at_once=3, on_room=lambda: None)
    running.expect({"a", "b", "a/archive"}, then=lambda: told.append("all"))
    rooms = [running.room()]
    for workflow in ("a", "b", "a/archive"):
        with running.this(workflow):
            rooms.append(running.room())
    rooms.append(running.room())

    assert (rooms, told) == ([1, 1, 2, 3, 3], ["all"])


def test_a_place_is_free_again_where_an_image_could_not_be_begun():
    """
    And is held while it begins.
    """
    running = Running(at_once=1, on_room=lambda: None)
    rooms: list[int] = []

    def begin() -> None:
        with running.starting("a"):
            rooms.append(running.room())
            raise StorageUnavailable("full")

    with pytest.raises(StorageUnavailable):
        begin()

    assert (rooms, running.room()) == ([0], 1)


def test_a_notice_is_given_for_an_image_that_is_new_and_for_no_other(jobs, monkeypatch):
    """
    A sender that repeats itself wakes nobody.
    """
    given: list[object] = []
    monkeypatch.setattr("node.work.queue.notify", given.append)

    assert [jobs.enqueue(job(1)), jobs.enqueue(job(1))] == [True, False]
    assert given == [jobs.folder]


def test_dbos_has_the_values_by_which_it_is_kept_quiet(monkeypatch):
    """
    They are its own. With a version that names them otherwise an idle worker would wake all the time, unnoticed.
    """
    monkeypatch.setattr(_workflow_commands, "_BACKGROUND_JOBS_INTERVAL_SEC", 1.0)
    look_seldom()

    registry = DBOSRegistry()
    Interrupted(SimpleNamespace(_registry=registry)).rest()

    assert _workflow_commands._BACKGROUND_JOBS_INTERVAL_SEC > 10
    assert registry.get_internal_queue()._polling_interval_sec > 1


def test_a_receiver_needs_no_tables_of_the_worker(configure):
    """
    It may be the first in a new store; the worker finds its rows.
    """
    file = prepare(open_store(configure()).folder)
    with closing(Jobs(file)) as jobs:
        jobs.enqueue(job(1))
        before = (jobs.counts(), jobs.latest(5), jobs.get(job(1).id), jobs.files(), jobs.troubled())
        make_tables(file)
        after = (jobs.counts(), jobs.latest(5), jobs.get(job(1).id), jobs.files(), jobs.troubled())

    assert before == after
    assert before[0] == {"waiting": 1, "working": 0, "deliveries waiting": 0}
