"""`sgseg-node start` in a thread of the test, with its real receiver and a worker that needs no model."""

import json
import os
import re
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import psutil

from node import app
from node.jobs import Entry
from sgseg_dicom.config import Config
from tests.node.processes import RECEIVE, ROOT, STAND_IN, send_to, settled, wait_for

COMMANDS = {"receive": RECEIVE, "work": STAND_IN}


class WholeNode:
    """Receiver, worker, their supervisor and the status page."""

    def __init__(self, config: Config, folder: Path) -> None:
        self.config, self.folder = config, folder
        self._stop, self._said = threading.Event(), list[str]()
        self._thread = threading.Thread(
            target=app.start, args=(config, self._stop), kwargs={"show": self._said.append}
        )
        self._thread.start()
        wait_for(lambda: self._said or not self._thread.is_alive(), what="the node to start")
        numbers = re.findall(r":(\d+)", self._said[0])
        self.port, self.page_port = int(numbers[0]), int(numbers[-1])

    def send(self, **keywords: Any) -> str:
        """C-STORE an image; give its SOP Instance UID."""
        return send_to(self.port, self.folder, **keywords)

    def settled(self, *uids: str) -> list[Entry]:
        """Wait until the images have settled."""
        return settled(self.config, *uids)

    def half(self, role: str) -> psutil.Process:
        """Wait for the living process of "receive" or "work"."""
        words = set(COMMANDS[role])

        def found() -> psutil.Process | None:
            for half in psutil.Process().children():
                with suppress(psutil.Error):  # it is ending
                    if words <= set(half.cmdline()):
                        return half
            return None

        return wait_for(found, what=role)

    def ready(self) -> tuple[int, list[str]]:
        """Ask /ready; give the status and the problems."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.page_port}/ready", timeout=30) as answer:
                return answer.status, json.load(answer)["problems"]
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)["problems"]

    def events(self, name: str) -> list[dict[str, Any]]:
        """Give the events of this name in the log of the halves."""
        lines = (self.folder / "halves.log").read_text().splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in events if event["event"] == name]

    def stop(self) -> None:
        """Stop it as SIGTERM does."""
        self._stop.set()
        self._thread.join(60)


@contextmanager
def whole_node(config: Config, folder: Path) -> Iterator[WholeNode]:
    """Run a node for the time of a test; the log of its halves goes to <folder>/halves.log."""

    def command(role: str) -> list[str]:
        # The supervisor passes its own standard error on; a shell gives each half the file.
        return [
            "/bin/sh",
            "-c",
            f'exec "$0" "$@" 2>>{folder / "halves.log"}',
            sys.executable,
            *COMMANDS[role],
        ]

    environment = {"STAND_IN_FOLDER": str(folder), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with mock.patch.object(app, "child_command", command), mock.patch.dict(os.environ, environment):
        node = WholeNode(config, folder)
        try:
            yield node
        finally:
            node.stop()
