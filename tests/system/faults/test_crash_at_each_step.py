"""
A crash between any two steps of an image's way: after a restart the end is the same as without it.

A usual run takes every seventh step of a worker, every third of a receiver, and begins with another one each day.
SGSEG_ALL_STEPS=1 takes all (`python -m benchmarks.faults` does).
"""

import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.presentation import build_context

from node.jobs import Entry
from node.store.store import open_store
from node.work.queue import open_jobs
from sgseg_dicom.config import Config
from tests.node.conftest import settings
from tests.node.processes import Archive, receive_here, settled, wait_for
from tests.support.builders import chest_radiograph, write
from tests.system.faults.crashes import NEVER, forked, left_over

pytestmark = pytest.mark.system

MOST_STEPS = 150


@pytest.fixture
def archive() -> Iterator[Archive]:
    peer = Archive()
    yield peer
    peer.close()


def chosen_steps(every: int) -> Iterator[int]:
    """Give the steps at which to die; another set each day, so that all have their turn."""
    stride = 1 if os.environ.get("SGSEG_ALL_STEPS") else every
    yield from range(date.today().toordinal() % stride + 1, MOST_STEPS, stride)


def the_end(config: Config, archive: Archive, entry: Entry) -> dict[str, Any]:
    """Describe how it ended, for comparison with other ends."""
    store = open_store(config)
    folder = store.results.folder_of(entry.job.id)
    assert folder is not None
    return {
        "state": entry.state,
        "deliveries": [(one.destination, one.state.value) for one in entry.deliveries],
        "instances": len(store.images()),
        "results": sorted(path.name for path in folder.iterdir()),
        "at the destination": sorted(set(archive.uids())),
        "other bytes under one UID": len(set(archive.got)) - len(set(archive.uids())),
        "left over": left_over(store.folder),
    }


def jobs_of(config: Config) -> int:
    jobs = open_jobs(config)
    try:
        return len(jobs.all())
    finally:
        jobs.close()


def worked(config: Config, folder: Path, archive: Archive, *, at: int) -> tuple[bool, dict[str, Any]]:
    """Let a worker die before step *at* and another one go on. Give whether it died, and the end."""
    archive.got.clear()
    with forked("work", config, folder, at=at) as worker:
        worker.wait_ready()
        uid = receive_here(config)
        wait_for(lambda: not worker.lives or _is_settled(config, uid), what="death or the end")
        died = not worker.lives
    with forked("work", config, folder):
        (entry,) = settled(config, uid)
    return died, the_end(config, archive, entry)


def _is_settled(config: Config, uid: str) -> bool:
    jobs = open_jobs(config)
    try:
        return any(entry.settled for entry in jobs.of(uid))
    finally:
        jobs.close()


def test_a_worker_that_dies_before_any_step_changes_nothing_in_the_end(archive, tmp_path):
    """
    Judged, kept, delivered; the same bytes under the same UIDs, and nothing half-written is left.
    """
    make = _folders(tmp_path, archive)
    _, expected = worked(*make(NEVER), archive, at=NEVER)
    ends = {}
    for at in chosen_steps(7):
        died, ends[at] = worked(*make(at), archive, at=at)
        if not died:
            break

    assert not died, "there are more steps than were tried"
    assert {at: end for at, end in ends.items() if end != expected} == {}


def test_a_receiver_that_dies_before_any_step_has_lost_nothing(archive, tmp_path):
    """
    Its sender gets no success, and sends again. There is one image, one job and one result in the end.
    """
    make = _folders(tmp_path, archive)
    ends, expected = {}, None
    for at in [NEVER, *chosen_steps(3)]:
        config, folder = make(at)
        with forked("receive", config, folder, at=at) as receiver:
            port = int(receiver.wait_ready())
            sent = _sent(port, folder)
            died = at != NEVER and not receiver.lives
        with forked("receive", config, folder) as receiver:
            sent = sent or _sent(int(receiver.wait_ready()), folder)
        archive.got.clear()
        with forked("work", config, folder):
            (entry,) = settled(config, _image(folder).SOPInstanceUID)
        ends[at] = {**the_end(config, archive, entry), "sent": sent, "jobs": jobs_of(config)}
        expected = expected or ends[at]
        if at != NEVER and not died:
            break

    assert not died, "there are more steps than were tried"
    assert len(ends) > 3
    assert {at: end for at, end in ends.items() if end != expected} == {}


def _folders(tmp_path: Path, archive: Archive) -> Callable[[int], tuple[Config, Path]]:
    def make(at: int) -> tuple[Config, Path]:
        folder = tmp_path / f"at-{at}"
        folder.mkdir()
        return settings(folder, archive), folder

    return make


def _image(folder: Path) -> Any:
    ds = chest_radiograph()
    write(ds, folder / "sent.dcm")
    return ds


def _sent(port: int, folder: Path) -> bool:
    """C-STORE the image; True where it was answered with success."""
    ds = _image(folder)
    context = build_context(ds.SOPClassUID, ExplicitVRLittleEndian)
    association = AE("TESTER").associate("127.0.0.1", port, [context], ae_title="SGSEG")
    if not association.is_established:
        return False
    status = association.send_c_store(folder / "sent.dcm")
    association.release()
    return bool(status and status.Status == 0)
