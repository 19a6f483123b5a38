"""Where the disk becomes full, what is delivered goes first."""

from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from node.jobs import Delivery, Ending, Entry, Job, Outcome, Sent
from node.service.room import Room, is_delivered
from node.store.store import Store
from sgseg_dicom.config import Config

JOB = Job(id="x", sop_instance_uid="1.2", file="x.dcm", conflicting=False, peer="A", received_at=0.0)
SENT = Delivery(destination="PACS", state=Sent.DELIVERED)
DONE = Entry(job=JOB, state="finding", outcome=Outcome(ending=Ending.FINDING), deliveries=(SENT,))


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (DONE, True),
        (replace(DONE, deliveries=(SENT, replace(SENT, state=Sent.WAITING))), False),
        (replace(DONE, deliveries=(SENT, replace(SENT, state=Sent.REFUSED))), False),
        (replace(DONE, deliveries=()), False),
        (replace(DONE, state=Ending.QUARANTINED), False),
        (replace(DONE, state=Ending.FAILED), False),
        (replace(DONE, state="working", outcome=None, deliveries=()), False),
    ],
)
def test_only_what_every_destination_has_may_go(entry, expected):
    """
    Never what waits, what was refused, what lies in the results folder alone, or what a person must look at.
    """
    assert is_delivered(entry) is expected


class Queue:
    """Settled jobs, the oldest first."""

    def __init__(self, *entries: Entry) -> None:
        self.entries = list(entries)

    def ended_before(self, moment: str) -> list[Entry]:
        return list(self.entries)

    def get(self, job_id: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.job.id == job_id), None)

    def forget(self, entry: Entry) -> None:
        self.entries.remove(entry)


class SmallDisk(Store):
    """A store on a disk of 100 bytes of which each image takes ten."""

    def free_bytes(self) -> int:
        return 100 - 10 * len(list(self.folder.glob("*.dcm")))


@pytest.fixture
def disk(tmp_path) -> SmallDisk:
    """Eight images: 20 bytes are free."""
    store = SmallDisk(tmp_path)
    store.prepare()
    for number in range(8):
        (tmp_path / f"{number}.dcm").write_bytes(b"")
    return store


def entries(waiting: set[int]) -> list[Entry]:
    return [
        replace(
            DONE,
            job=replace(JOB, id=str(number), file=f"{number}.dcm"),
            deliveries=(replace(SENT, state=Sent.WAITING if number in waiting else Sent.DELIVERED),),
        )
        for number in range(8)
    ]


def test_the_oldest_delivered_ones_go_until_there_is_room(disk):
    """
    No more than needed, and what waits stays, however old it is. One line says how many.
    """
    queue = Queue(*entries({0}))
    with capture_logs() as lines:
        Room(disk, queue, below_bytes=50).make()  # type: ignore[arg-type]

    assert [entry.job.id for entry in queue.entries] == ["0", "4", "5", "6", "7"]
    assert sorted(path.name for path in disk.folder.glob("*.dcm")) == [f"{n}.dcm" for n in (0, 4, 5, 6, 7)]
    assert [(line["event"], line["jobs"]) for line in lines] == [("room_made", 3)]


def test_it_is_said_once_that_nothing_more_can_go(disk):
    """
    At every look the same line would fill the log too.
    """
    room = Room(disk, Queue(*entries(set(range(8)))), below_bytes=50)  # type: ignore[arg-type]
    with capture_logs() as lines:
        room.make()
        room.make()

    assert [line["event"] for line in lines] == ["no_room"]
    assert len(list(disk.folder.glob("*.dcm"))) == 8


@pytest.mark.parametrize(("below", "left"), [(0, 8), (20, 8), (21, 7)])
def test_nothing_goes_while_there_is_room_or_where_nobody_wants_it(disk, below, left):
    """
    0 is the default: days alone count.
    """
    Room(disk, Queue(*entries(set())), below_bytes=below).make()  # type: ignore[arg-type]

    assert len(list(disk.folder.glob("*.dcm"))) == left


def test_room_is_made_before_images_are_refused():
    """
    A mark below min_free_megabytes would come too late.
    """
    marks = [
        Config.internal(store={"min_free_megabytes": 1000, "make_room_below_megabytes": wanted}).store
        for wanted in (0, 10, 2000)
    ]

    assert [mark.room_bytes >> 20 for mark in marks] == [0, 1000, 2000]


def test_a_delivered_job_of_a_real_queue_goes(configure, archive, tmp_path):
    """
    With its image, its results and its record.
    """
    from node.store.store import open_store
    from node.work.queue import open_jobs
    from tests.node.processes import STAND_IN, half, receive_here, settled

    config = configure(archive)
    uid = receive_here(config)
    with half(STAND_IN, config, tmp_path):
        settled(config, uid)
    store = open_store(config)
    with closing(open_jobs(config)) as jobs:
        deleted = Room(store, jobs, below_bytes=1 << 60).make()

        assert (deleted, jobs.all(), store.images()) == (1, [], set())


def test_looks_at_all_jobs_take_a_small_part_of_the_time(disk, monkeypatch):
    """
    Where none of half a million may go, the next look waits for nine times what the last one took.
    """
    clock = [100.0]
    queue = Queue(*entries(set(range(8))))
    looks = []

    def slow(moment: str) -> list[Entry]:
        looks.append(clock[0])
        clock[0] += 10.0
        return list(queue.entries)

    monkeypatch.setattr(queue, "ended_before", slow)
    monkeypatch.setattr("node.service.room.time", SimpleNamespace(monotonic=lambda: clock[0]))
    room = Room(disk, queue, below_bytes=50)  # type: ignore[arg-type]
    for _ in range(10):
        room.make()
        clock[0] += 30.0

    assert looks == [100.0, 200.0, 300.0, 400.0]
