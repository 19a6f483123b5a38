"""The halves of the node as processes of a test, and peers for them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pynetdicom import AE, evt
from pynetdicom.sop_class import ComprehensiveSRStorage, SegmentationStorage, Verification

from node.app import open_jobs
from node.jobs import Entry
from sgseg_dicom.config import Config, Destination

ROOT = Path(__file__).parents[2]
RECEIVE = ["-m", "node.cli", "receive", "--supervised"]
STAND_IN = ["-m", "tests.node.stand_in", "--supervised"]


class Half:
    """One half of the node, started as its supervisor does it."""

    def __init__(self, arguments: list[str], config: Config, folder: Path) -> None:
        self.log = folder / f"{arguments[1]}.log"
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**os.environ, "STAND_IN_FOLDER": str(folder), "OMP_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(config.to_json() + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        self.ready: dict[str, Any] = json.loads(line)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """End it with SIGTERM; give its exit status."""
        self.process.terminate()
        status = self.process.wait(30)
        return status

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Give what it has logged, all or the events called *name*."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if name in (None, line["event"])]


@contextmanager
def half(arguments: list[str], config: Config, folder: Path) -> Iterator[Half]:
    """Run a half for the time of a test."""
    process = Half(arguments, config, folder)
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.kill()


class Archive:
    """A storage SCP in this process: what it got, and what it answers."""

    def __init__(self) -> None:
        self.answers: Callable[[int], int] = lambda count: 0x0000
        self.got: list[bytes] = []
        ae = AE("ARCHIVE")
        for sop_class in (Verification, SegmentationStorage, ComprehensiveSRStorage):
            ae.add_supported_context(sop_class)
        self._server = ae.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._on_store)]
        )
        self.port = self._server.server_address[1]

    def _on_store(self, event: evt.Event) -> int:
        # The receiver's tests switch pynetdicom to chunks for the whole process.
        path = getattr(event.request, "_dataset_path", None)
        self.got.append(path.read_bytes() if path else event.encoded_dataset())
        return self.answers(len(self.got))

    def uids(self) -> list[str]:
        """Give the SOP Instance UIDs, in order of arrival."""
        from io import BytesIO

        return [str(dcmread(BytesIO(content)).SOPInstanceUID) for content in self.got]

    @property
    def destination(self) -> Destination:
        """Give what the configuration calls it."""
        return Destination(name="archive", ae_title="ARCHIVE", host="127.0.0.1", port=self.port)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()


def wait_for(condition: Callable[[], Any], *, what: str, seconds: float = 30.0) -> Any:
    """Wait until *condition* gives something true, and give it."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)
    return value


def settled(config: Config, count: int = 1) -> list[Entry]:
    """Wait until *count* jobs have settled, and give them, the newest first."""
    jobs = open_jobs(config)
    try:
        return wait_for(
            lambda: (found := [e for e in jobs.latest(100) if e.settled]) and len(found) >= count and found,
            what=f"{count} settled jobs",
        )
    finally:
        jobs.close()
