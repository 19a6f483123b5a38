"""kill -9 in mid-inference, with the real model under the real supervisor: nothing lost, nothing twice."""

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from pydicom import dcmread
from pydicom.uid import Comprehensive3DSRStorage, generate_uid

from node.delivery.dimse import DimseSender
from node.jobs import Ending, Entry
from node.store.store import Store, open_store
from node.work.queue import open_jobs
from sgseg_dicom.config import Destination
from tests.node.processes import Archive, wait_for
from tests.support.builders import radiograph_of, write
from tests.system.images import infected_chests
from tests.system.running_node import RunningNode, running_node, write_config

pytestmark = pytest.mark.system

IMAGES = 6
"""More than the worker judges in one batch: at the kill, some are in work and others wait."""

INTO_INFERENCE_SECONDS = 0.05
"""Processor time after a claim: an image is read in 3 ms, and a first batch of one is judged in 100 ms."""


@pytest.fixture
def archive() -> Iterator[Archive]:
    """A destination that counts what it gets."""
    peer = Archive()
    peer.ae.add_supported_context(Comprehensive3DSRStorage)
    peer.restart()
    yield peer
    peer.close()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Images by their SOP Instance UID."""
    images = {}
    for number, chest in enumerate(infected_chests(IMAGES)):
        ds = radiograph_of(chest, SOPInstanceUID=generate_uid())
        images[str(ds.SOPInstanceUID)] = write(ds, tmp_path / f"{number}.dcm")
    return images


@pytest.fixture
def config(archive: Archive, tmp_path: Path) -> Path:
    """A configuration file whose destination is the archive."""
    return write_config(tmp_path, [archive.destination.model_dump()])


def send(node: RunningNode, files: dict[str, Path]) -> None:
    """C-STORE all of them in one association; each was answered with success."""
    receive = node.config.receive
    where = Destination(name="node", ae_title=receive.ae_title, host=receive.host, port=receive.port)
    DimseSender(where, calling_ae_title="TESTER", connect_seconds=5, answer_seconds=60).send(
        [*files.values()]
    )


def interrupt(node: RunningNode, files: dict[str, Path]) -> tuple[psutil.Process, set[str]]:
    """
    Send images and stop the worker (SIGSTOP) in mid-inference; give it, and whose images it has in work.

    In work: claimed from the queue, and no result kept. Nothing moves between this look and the kill.
    """
    store, jobs, worker = open_store(node.config), open_jobs(node.config), node.half("work")

    def in_work() -> set[str]:
        claimed = [entry.job for entry in jobs.latest(IMAGES) if entry.state == "working"]
        return {job.sop_instance_uid for job in claimed if store.results.folder_of(job.id) is None}

    def stopped_in_mid_inference() -> set[str]:
        wait_for(in_work, what="the worker to claim an image")
        claimed_at = processor_seconds(worker)
        wait_for(
            lambda: processor_seconds(worker) - claimed_at >= INTO_INFERENCE_SECONDS, what="the inference"
        )
        worker.suspend()
        if not (interrupted := in_work()):
            worker.resume()
        return interrupted

    send(node, files)
    try:
        return worker, wait_for(stopped_in_mid_inference, what="a worker in mid-inference")
    finally:
        jobs.close()


def processor_seconds(process: psutil.Process) -> float:
    """Give the processor time of a worker and its judging processes: unlike the clock's, the same when busy."""
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(time.user + time.system for time in times)


def arrived_once(archive: Archive, store: Store, entries: list[Entry], interrupted: set[str]) -> None:
    """
    One SEG, one SR and one text of each image, none of them sent twice whose image was in mid-inference.

    Those that were kept at the kill may have been on the way, and are sent again: the same instances.
    """
    expected = {
        str(dcmread(file, stop_before_pixels=True).SOPInstanceUID): entry.job.sop_instance_uid
        for entry in entries
        for file in (store.results.folder_of(entry.job.id) or store.folder).glob("*.dcm")
    }
    each = Counter(expected.values())
    counts = Counter(archive.uids())

    assert each == {
        entry.job.sop_instance_uid: 3 if entry.state == Ending.FINDING else 1 for entry in entries
    }
    assert counts.keys() == expected.keys()
    assert {counts[uid] for uid, source in expected.items() if source in interrupted} == {1}


def test_what_a_killed_worker_had_in_work_is_processed_once(archive, files, config):
    """
    The supervisor starts another worker, and every image that was answered with success gets its results.
    """
    with running_node(config) as node:
        worker, interrupted = interrupt(node, files)
        worker.kill()
        entries = node.settled(*files)

    assert [death["status"] for death in node.events("child_died")] == [-signal.SIGKILL]
    assert {entry.state for entry in entries} <= {Ending.FINDING, Ending.NO_FINDING}
    arrived_once(archive, open_store(node.config), entries, interrupted)


def test_what_a_power_cut_interrupts_is_processed_once(archive, files, config):
    """
    Supervisor, receiver and worker die at once, and somebody starts the node again: the same.
    """
    with running_node(config) as node:
        _, interrupted = interrupt(node, files)
        node.kill()
    with running_node(config) as node:
        entries = node.settled(*files)

        assert node.stop() == 0
    assert {entry.state for entry in entries} <= {Ending.FINDING, Ending.NO_FINDING}
    arrived_once(archive, open_store(node.config), entries, interrupted)
