"""
Wrote store.tar.gz, once, with the code of version 0.3.0. See README.md; it does not run with the code of today.

The images are drawn (`tests.builders` of 0.3.0), and the pipeline is a stub: nothing here is of a patient.
"""

# mypy: ignore-errors
# ruff: noqa

import os
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

from node import app
from node.operate import acknowledge
from sgseg_dicom.config import Config
from sgseg_dicom.errors import InvalidResult
from sgseg_dicom.records import Results
from tests.builders import chest_radiograph
from tests.node.processes import Archive, receive_here
from tests.node.stand_in import StandIn, results_of
from pydicom import dcmread

DOWN = {"name": "down", "ae_title": "DOWN", "host": "127.0.0.1", "port": 9}  # discard: nothing listens


class Stub(StandIn):
    """The stand-in of the tests; the results of an image with the comment "wrong" break a rule."""

    def __call__(self, path, **options) -> Results:
        source = dcmread(path, stop_before_pixels=True)
        if source.get("ImageComments") == "wrong":
            objects = results_of(source).files
            raise InvalidResult("seg: PixelData must ...", rules=("mask-side",), objects=objects)
        return super().__call__(path, **options)


def settings(folder, *destinations):
    return Config.internal(
        receive={"port": 0},
        store={"folder": folder / "store", "min_free_megabytes": 0},
        queue={"polling_seconds": 0.02, "retry_seconds": 0.05},
        deliver={
            "connect_seconds": 1.0,
            "answer_seconds": 2.0,
            "backoff_seconds": 5.0,
            "backoff_limit_seconds": 5.0,
        },
        destination=list(destinations),
    )


def receive(config, name, **keywords):
    uid = receive_here(config, pixels=PIXELS, **keywords)
    print(f"{name} = {uid!r}", flush=True)
    return uid


def work(config, folder, done):
    """Run the worker until *done* holds for the entries of the status."""
    stop = threading.Event()

    def watch(**_):
        jobs = app.open_jobs(config)
        deadline = time.monotonic() + 60
        while not done(jobs.latest(100)) and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1)
        jobs.close()
        stop.set()

    app.work(
        config,
        stop,
        lambda **_: threading.Thread(target=watch).start(),
        load=lambda *_: Stub(folder),
    )


def all_ended(entries):
    return all(entry.outcome for entry in entries)


def main(folder: Path, out: Path) -> None:
    archive = Archive()
    destination = {**archive.destination.model_dump(), "not_judged": True}
    config = settings(folder, destination)
    receive(config, "DELIVERED", seed=1)
    receive(config, "CONFLICTING", seed=1, PatientID="OTHER")
    receive(config, "NOT_JUDGED", seed=2, ImageComments="lateral")
    receive(config, "INVALID", seed=3, ImageComments="wrong")
    failed = receive(config, "ACKNOWLEDGED", seed=4, ImageComments="defect")
    work(config, folder, all_ended)
    print([entry.job.sop_instance_uid for entry in acknowledge(config, [failed], failed=False)])
    archive.close()

    config = settings(folder, DOWN)
    receive(config, "UNDELIVERED", seed=5)
    work(config, folder, all_ended)
    subprocess.run([sys.executable, __file__, folder])  # ends as a power cut would end it
    receive(config, "WAITING", seed=7)

    for entry in app.open_jobs(config).latest(100):
        print(entry.job.id, entry.state, entry.deliveries and entry.deliveries[0].state)
    with tarfile.open(out, "w:gz") as tar:
        tar.add(folder / "store", "store")
    print(out.stat().st_size)


def die(folder: Path) -> None:
    """Receive an image, begin it, and end in the middle of it."""
    config = settings(folder, DOWN)
    receive(config, "IN_WORK", seed=6, ImageComments="slow")
    jobs = app.open_jobs(config)

    def watch(**_):
        while not jobs.counts()["working"]:
            time.sleep(0.1)
        os._exit(9)

    app.work(
        config,
        threading.Event(),
        lambda **_: threading.Thread(target=watch).start(),
        load=lambda *_: Stub(folder),
    )


if __name__ == "__main__":
    import numpy as np

    rows, columns = np.mgrid[0:64, 0:64]
    PIXELS = (1000 + 20 * rows + 10 * columns).astype(np.uint16)
    if len(sys.argv) == 2:
        die(Path(sys.argv[1]))
    else:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
