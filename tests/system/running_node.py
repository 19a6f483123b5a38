"""`sgseg-node start` as a stranger runs it: a configuration file, two processes, one line for the sender."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from node.jobs import Entry
from node.work.queue import open_jobs
from sgseg_dicom.config import load
from tests.node.processes import ROOT, wait_for
from tests.support.compiled import COMPILED
from tests.support.ports import free_ports
from tests.system.images import ARE_REAL
from tests.system.network import Network

_PATIENCE_SECONDS = 300
"""A worker that starts anew on a busy machine."""

NODE = (sys.executable, "-m", "node.cli")


class RunningNode:
    """The supervisor with its receiver and its worker."""

    def __init__(self, file: Path, network: Network) -> None:
        self.file, self.network = file, network
        self.config = load(file)
        self._log = file.with_suffix(".log")
        with self._log.open("a") as log:
            self.process = network.start(
                *NODE, "start", "--config", file, cwd=ROOT, stdout=subprocess.PIPE, stderr=log
            )
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()
        assert self.said, self._log.read_text()

    @property
    def port(self) -> int:
        """Where the receiver listens on loopback."""
        return self.config.receive.port

    def half(self, role: str) -> psutil.Process:
        """Give the living process of "receive" or "work"."""
        halves = psutil.Process(self.process.pid).children()
        return next(half for half in halves if role in half.cmdline())

    def settled(self, *uids: str) -> list[Entry]:
        """Wait until nothing more happens with these SOP Instance UIDs, and give what became of them."""
        jobs = open_jobs(self.config)

        def found() -> list[Entry]:
            entries = {entry.job.sop_instance_uid: entry for entry in jobs.latest(100) if entry.settled}
            return [entries[uid] for uid in uids] if set(uids) <= set(entries) else []

        try:
            return wait_for(found, what="the images to settle", seconds=_PATIENCE_SECONDS)
        finally:
            jobs.close()

    def status(self) -> list[dict[str, Any]]:
        """Ask `sgseg-node status --json`."""
        answer = subprocess.run(
            [*NODE, "status", "--config", str(self.file), "--json"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return [json.loads(line) for line in answer.stdout.splitlines()]

    def events(self, name: str) -> list[dict[str, Any]]:
        """Give the events of this name in the log, which every start of this file continues."""
        lines = [json.loads(line) for line in self._log.read_text().splitlines()]
        return [line for line in lines if line["event"] == name]

    def stop(self) -> int:
        """End it with SIGTERM; give its exit status."""
        self.process.terminate()
        return self.process.wait(60)

    def kill(self) -> None:
        """End everything at once, as a power cut would."""
        halves = psutil.Process(self.process.pid).children(recursive=True)
        for process in (self.process, *halves):
            process.kill()
        self.process.wait()
        psutil.wait_procs(halves)


@contextmanager
def running_node(file: Path, network: Network | None = None) -> Iterator[RunningNode]:
    """Run the node that *file* configures for the time of a test."""
    node = RunningNode(file, network or Network())
    try:
        yield node
    finally:
        if node.process.poll() is None:
            node.kill()
        if node.process.stdout:
            node.process.stdout.close()


def write_config(folder: Path, destinations: Sequence[dict[str, str | int]]) -> Path:
    """Write a configuration on free ports, with its store beside it."""
    receive, page = free_ports(2)
    sections: list[tuple[str, dict[str, str | int]]] = [
        ("[receive]", {"port": receive}),
        ("[page]", {"port": page}),
        ("[store]", {"folder": "store", "min_free_megabytes": 0}),
        ("[model]", {"image_check": ARE_REAL, "compiled_folder": str(COMPILED)}),
        *(("[[destination]]", destination) for destination in destinations),
    ]
    file = folder / "config.toml"
    file.write_text("\n".join(line for heading, keys in sections for line in (heading, *_lines(keys))) + "\n")
    return file


def _lines(keys: dict[str, str | int]) -> list[str]:
    return [f"{key} = {json.dumps(value)}" for key, value in keys.items() if value is not None]
