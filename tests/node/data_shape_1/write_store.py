"""
Wrote store.tar.gz, once, with the code before each delivery got a workflow of its own. See README.md.

The images are drawn, and a stub judged them: nothing here is of a patient.
"""

# mypy: ignore-errors
# ruff: noqa

import socket
import sqlite3
import sys
import tarfile
import time
from pathlib import Path

import numpy as np

from tests.node.conftest import settings
from tests.node.processes import STAND_IN, Archive, entry_of, half, receive_here, wait_for

DOWN = {"name": "down", "ae_title": "DOWN", "host": "127.0.0.1", "port": 9}  # discard: nothing listens
ROWS, COLUMNS = np.mgrid[0:64, 0:64]
PIXELS = (1000 + 20 * ROWS + 10 * COLUMNS).astype(np.uint16)


def main(folder: Path, out: Path) -> None:
    archive, silent = Archive(), socket.create_server(("127.0.0.1", 0))
    slow = {"backoff_seconds": 600.0, "connect_seconds": 1.0, "answer_seconds": 60.0}
    config = settings(folder, destination=[archive.destination.model_dump(), DOWN], deliver=slow)
    waiting = receive_here(config, pixels=PIXELS, seed=1)
    with half(STAND_IN, config, folder) as worker:
        wait_for(lambda: entry_of(config, waiting).outcome, what="the answer")
        time.sleep(3)  # the second attempt; then it sleeps
        worker.kill()
    print(f"WAITING = {waiting!r}")

    hanging = DOWN | {"name": "silent", "port": silent.getsockname()[1]}
    config = settings(folder, destination=[archive.destination.model_dump(), DOWN, hanging], deliver=slow)
    delivering = receive_here(config, pixels=PIXELS, seed=2)
    with half(STAND_IN, config, folder) as worker:
        wait_for(lambda: len(archive.got) == 4, what="the first destination")
        time.sleep(3)
        worker.kill()
    print(f"DELIVERING = {delivering!r}")
    with sqlite3.connect(folder / "store" / "queue.sqlite") as database:
        for row in database.execute("SELECT workflow_uuid, status, application_version FROM workflow_status"):
            print(row)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with tarfile.open(out, "w:gz") as tar:
        tar.add(folder / "store", "store")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
