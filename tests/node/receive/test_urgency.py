"""Urgent images first, and none waits for ever."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE

from node.jobs import Job
from node.receive import scp
from node.receive.listener import listen
from node.receive.urgency import places_of
from node.store.queue_file import QUEUE_FILE
from node.store.store import Store
from node.work.queue import Jobs, prepare
from node.work.tables import make_tables
from sgseg_dicom.config import Receive, Sender
from tests.support.builders import chest_radiograph, write

LOW, MEDIUM, HIGH = 2, 0, 1
MOST = 100


class Kept:
    """A queue that keeps the jobs."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def enqueue(self, job: Job) -> bool:
        self.jobs.append(job)
        return True

    def get(self, job_id: str) -> None:
        return None

    def again(self, job: Job) -> None:
        raise AssertionError


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Any]:
    """Give a function that starts a receiver, and gives its port and its jobs."""
    store, kept, listeners = Store(tmp_path / "store"), Kept(), list[Any]()
    store.prepare()

    def start(*senders: Sender) -> tuple[int, list[Job]]:
        listeners.append(
            listen(
                Receive.model_validate({"port": 0}, context={"free_ports": True}),
                contexts=scp.contexts(),
                handlers=scp.handlers(store, kept, priority_places=MOST),
                spool=store.incoming,
                senders=senders,
            )
        )
        return listeners[-1].port, kept.jobs

    yield start
    for listener in listeners:
        listener.stop(patience_seconds=0)


@pytest.fixture
def send(tmp_path: Path) -> Any:
    """Give a function that sends an image as a modality does."""

    def send(port: int, priority: int, calling: str = "ROOM_1") -> None:
        ae = AE(calling)
        ae.add_requested_context(DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian)
        association = ae.associate("127.0.0.1", port, ae_title="SGSEG")
        file = write(chest_radiograph(SOPInstanceUID=generate_uid()), tmp_path / "sent.dcm")
        assert association.send_c_store(file, priority=priority).Status == 0
        association.release()

    return send


@pytest.mark.parametrize(("priority", "places"), [(LOW, MOST), (MEDIUM, 0), (HIGH, -MOST)])
def test_the_priority_of_the_request_moves_an_image(receiver, send, priority, places):
    """
    Priority (0000,0700), as modalities send it for an emergency.
    """
    port, jobs = receiver()
    send(port, priority)

    assert jobs[0].places == places


def test_the_entry_of_a_sender_outweighs_what_it_asks(receiver, send):
    """
    The emergency room never sets a priority; others set "high" always.
    """
    port, jobs = receiver(
        Sender(name="ER", calling_ae_titles=("ER_1",), priority="high"),
        Sender(name="others", priority="medium"),
    )
    send(port, LOW, "ER_1")
    send(port, HIGH, "ROOM_1")

    assert [job.places for job in jobs] == [-MOST, 0]


@given(st.lists(st.sampled_from([LOW, MEDIUM, HIGH]), min_size=2, max_size=50))
def test_an_image_is_passed_by_none_that_came_much_later(priorities):
    """
    However many urgent ones come: one of low priority lets those pass that come within twice the places after it.
    """
    turns = [(number + places_of(asked, most=5), number) for number, asked in enumerate(priorities)]
    in_turn = [number for _, number in sorted(turns)]

    for place, earlier in enumerate(in_turn):
        assert all(earlier - later <= 2 * 5 for later in in_turn[place + 1 :])


def test_a_priority_that_the_standard_does_not_know_is_medium():
    """
    As a request without one.
    """
    assert places_of(77, most=MOST) == places_of(None, most=MOST) == 0


def test_the_worker_takes_images_in_the_order_of_their_turn(tmp_path):
    """
    An urgent one passes as many as it may, and no more.
    """
    (tmp_path / "store").mkdir()
    with closing(Jobs(prepare(tmp_path / "store"))) as jobs:
        for number in range(5):
            jobs.enqueue(
                Job(
                    id=f"{number:032x}-{number:016x}",
                    sop_instance_uid=f"1.2.{number}",
                    file=f"{number}.dcm",
                    conflicting=False,
                    peer="A",
                    received_at=0.0,
                    places=-3 if number == 4 else 0,
                )
            )
        taken = [job.sop_instance_uid for job in jobs.arrived(8)]

    assert taken == ["1.2.0", "1.2.1", "1.2.4", "1.2.2", "1.2.3"]


def test_a_stream_of_urgent_images_does_not_hold_up_one_that_waits(tmp_path):
    """
    Each comes when the one before has been taken: the number of that one is not used again.
    """
    (tmp_path / "store").mkdir()

    def job(number: int, places: int) -> Job:
        return Job(
            id=f"{number:032x}-{number:016x}",
            sop_instance_uid=f"1.2.{number}",
            file=f"{number}.dcm",
            conflicting=False,
            peer="A",
            received_at=0.0,
            places=places,
        )

    taken: list[str] = []
    with closing(Jobs(prepare(tmp_path / "store"))) as jobs:
        make_tables(tmp_path / "store" / QUEUE_FILE)
        jobs.enqueue(job(0, 0))
        for number in range(1, 12):
            jobs.enqueue(job(number, -8))
            (first, *_) = jobs.arrived(1)
            taken.append(first.sop_instance_uid)
            with sqlite3.connect(tmp_path / "store" / QUEUE_FILE) as database:
                database.execute("DELETE FROM arrivals WHERE job = ?", (first.id,))

    assert "1.2.0" in taken
