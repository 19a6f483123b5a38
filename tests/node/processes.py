"""The halves of the node as processes of a test, and peers for them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from socketserver import BaseServer
from typing import Any

from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import (
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    SegmentationStorage,
    Verification,
)
from pynetdicom.transport import ThreadedAssociationServer

from node.jobs import Entry, Job
from node.store.store import open_store
from node.work.queue import open_jobs
from sgseg_dicom.config import Config, Destination
from tests.support.builders import chest_radiograph, write

ROOT = Path(__file__).parents[2]
RECEIVE = ["-m", "node.cli", "receive", "--supervised"]
STAND_IN = ["-m", "tests.node.stand_in_worker", "--supervised"]
STAND_IN_PROCESSES = [*STAND_IN, "--processes"]
_REPORTS = (Comprehensive3DSRStorage, ComprehensiveSRStorage, BasicTextSRStorage)


class Half:
    """One half of the node, started as its supervisor does it."""

    def __init__(self, arguments: list[str], config: Config, folder: Path, enter: Sequence[str] = ()) -> None:
        self.log = folder / f"{arguments[1]}.log"
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*enter, sys.executable, *arguments],
                cwd=ROOT,
                env={**os.environ, "STAND_IN_FOLDER": str(folder), "OMP_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdin is not None
        self.process.stdin.write(config.to_json() + "\n")
        self.process.stdin.flush()
        self.ready: dict[str, Any] = {}

    def wait_ready(self) -> None:
        """Wait until it says that it is ready."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        self.ready = json.loads(line)

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
def half(
    arguments: list[str], config: Config, folder: Path, *, wait: bool = True, enter: Sequence[str] = ()
) -> Iterator[Half]:
    """Run a half for the time of a test; *wait* for its being ready. *enter* goes before its command."""
    process = Half(arguments, config, folder, enter)
    try:
        if wait:
            process.wait_ready()
        yield process
    finally:
        if process.process.poll() is None:
            process.kill()
        for pipe in (process.process.stdin, process.process.stdout):
            if pipe:
                pipe.close()


class Archive:
    """A storage SCP in this process: what it got, and what it answers."""

    def __init__(self) -> None:
        self.answers: Callable[[int], int] = lambda count: 0x0000
        self.got: list[bytes] = []
        self.port = 0
        self.ae = AE("ARCHIVE")
        for sop_class in (Verification, SegmentationStorage, *_REPORTS):
            self.ae.add_supported_context(sop_class)
        self.start()

    def start(self) -> None:
        """Listen, on the port of the last time if there was one."""
        self._server = self.ae.make_server(
            ("127.0.0.1", self.port),
            evt_handlers=[(evt.EVT_C_STORE, self._on_store)],
            server_class=ThreadedAssociationServer,
        )
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def restart(self) -> None:
        """Listen with the contexts as they are now."""
        self.close()
        self.start()

    def _on_store(self, event: evt.Event) -> int:
        # The receiver's tests switch pynetdicom to chunks for the whole process.
        path = getattr(event.request, "_dataset_path", None)
        self.got.append(path.read_bytes() if path else event.encoded_dataset())
        return self.answers(len(self.got))

    def uids(self) -> list[str]:
        """Give the SOP Instance UIDs, in order of arrival."""
        return [str(dcmread(BytesIO(content)).SOPInstanceUID) for content in self.got]

    @property
    def destination(self) -> Destination:
        """Give what the configuration calls it."""
        return Destination(name="archive", ae_title="ARCHIVE", host="127.0.0.1", port=self.port)

    def close(self) -> None:
        """Stop listening."""
        BaseServer.shutdown(self._server)
        self._server.server_close()


def wait_for(condition: Callable[[], Any], *, what: str, seconds: float = 120.0) -> Any:
    """Wait until *condition* gives something true, and give it."""
    deadline, asked_at = time.monotonic() + seconds, time.monotonic()
    while not (value := condition()):
        now = time.monotonic()
        assert now < deadline, f"waited in vain for {what}"
        # A question to the database takes as long as a fifth of a second: asked all the time, it would take a core.
        time.sleep(max(0.02, 4 * (now - asked_at)))
        asked_at = time.monotonic()
    return value


def settled(config: Config, *uids: str, seconds: float = 120.0) -> list[Entry]:
    """Wait until the images have settled; give their entries, in the same order."""
    jobs = open_jobs(config)

    def found() -> list[Entry]:
        entries = {entry.job.sop_instance_uid: entry for entry in jobs.latest(1000) if entry.settled}
        return [entries[uid] for uid in uids] if set(uids) <= set(entries) else []

    try:
        return wait_for(found, what="the images to settle", seconds=seconds)
    finally:
        jobs.close()


def entry_of(config: Config, uid: str) -> Entry:
    """Give what the status says of an image now."""
    jobs = open_jobs(config)
    try:
        return next(entry for entry in jobs.latest(1000) if entry.job.sop_instance_uid == uid)
    finally:
        jobs.close()


def send(receiver: Half, folder: Path, **keywords: Any) -> str:
    """C-STORE an image to a receiver; give its SOP Instance UID."""
    return send_to(receiver.ready["port"], folder, **keywords)


def send_to(port: int, folder: Path, **keywords: Any) -> str:
    """C-STORE an image; give its SOP Instance UID."""
    ds = chest_radiograph(**keywords)
    file = write(ds, folder / "sent.dcm")
    context = build_context(ds.SOPClassUID, ExplicitVRLittleEndian)
    association = AE("TESTER").associate("127.0.0.1", port, [context], ae_title="SGSEG")
    assert association.send_c_store(file).Status == 0
    association.release()
    return str(ds.SOPInstanceUID)


def receive_here(config: Config, *, peer: str = "TESTER", **keywords: Any) -> str:
    """Keep and queue an image as the receiver does, without one; give its SOP Instance UID."""
    ds = chest_radiograph(**keywords)
    store, jobs = open_store(config), open_jobs(config)
    kept = store.put(write(ds, store.incoming / "a.dcm"), ds.SOPInstanceUID)
    jobs.enqueue(
        Job(
            id=kept.id,
            sop_instance_uid=ds.SOPInstanceUID,
            file=kept.file,
            conflicting=kept.conflicting,
            peer=peer,
            received_at=time.time(),
        )
    )
    jobs.close()
    return str(ds.SOPInstanceUID)


def begun(folder: Path) -> list[str]:
    """Give the images that the stand-in began, in order."""
    file = folder / "begun"
    return file.read_text().split() if file.exists() else []
