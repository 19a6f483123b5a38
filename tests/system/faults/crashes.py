"""
A half of the node that dies at a chosen step of its way.

The steps are what a crash can come between: each fsync, rename, removal, commit of the queue (by us and by DBOS),
notice to the worker and message to a peer.
A half runs in a fork of the test, so that it costs no imports. It dies by SIGKILL right before its step number N.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from pynetdicom.transport import AssociationSocket
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from node import app
from node.judge.in_process import InProcess
from node.judge.pool import Pool
from node.work import database, queue
from sgseg_dicom.config import Config
from tests.node import stand_in, stand_in_model
from tests.node.processes import wait_for
from tests.node.stand_in import StandIn

NEVER = 0
STEPS = ("fsync", "rename", "replace", "unlink", "rmdir")


@dataclass
class Crash:
    """
    Counts the steps of this process from the moment of `armed` on.

    Attributes:
        at: the number of the step before which the process dies, the first is 1; `NEVER`: it lives.
        log: a file that gets a line for each step.
        armed: set when counting begins: what happens during the start has its own tests.
    """

    at: int
    log: Path
    armed: threading.Event
    count: int = 0

    def step(self, name: str) -> None:
        """Count a step, and die before it if it is the chosen one."""
        if not self.armed.is_set():
            return
        self.count += 1
        with self.log.open("a") as file:
            file.write(f"{name}\n")
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Put a hook before each step of this process."""
        for name in STEPS:
            setattr(os, name, self._hooked(name, getattr(os, name)))
        send = AssociationSocket.send
        AssociationSocket.send = self._hooked("send", send)  # type: ignore[method-assign]
        event.listen(Engine, "before_cursor_execute", _note_writing)
        event.listen(Engine, "commit", self._committed)
        database.execute_end = self._hooked_end(database.execute_end)
        queue.notify = self._hooked("notice", queue.notify)

    def _committed(self, connection: Connection) -> None:
        if connection.info.pop("writes", False):  # the queue is polled all the time
            self.step("commit")

    def _hooked_end(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def hooked(connection: Any, end: str) -> None:
            if end == "COMMIT":
                self.step("commit")
            original(connection, end)

        return hooked

    def _hooked(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def hooked(*arguments: Any, **keywords: Any) -> Any:
            self.step(name)
            return original(*arguments, **keywords)

        return hooked


def _note_writing(connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
    if statement.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE")):
        connection.info["writes"] = True


@contextmanager
def forked(half: str, config: Config, folder: Path, *, at: int = NEVER) -> Iterator["Fork"]:
    """Run a *half* ("receive" or "work") in a fork until the block ends, and let it die before step *at*."""
    fork = Fork(half, config, folder, at)
    try:
        yield fork
    finally:
        fork.kill()


class Fork:
    """
    A half in a fork of this process.

    *judging_processes*: the worker has them, as in the field, and does not judge in its own process.
    """

    def __init__(
        self, half: str, config: Config, folder: Path, at: int, *, judging_processes: bool = False
    ) -> None:
        self._judging_processes = judging_processes
        self.steps = folder / f"{half}-{at}.steps"
        self._ready = folder / f"{half}-{time.monotonic_ns()}.ready"
        self._pid = os.fork()
        if not self._pid:
            self._run(half, config, at, folder)

    def _run(self, half: str, config: Config, at: int, folder: Path) -> None:
        """Be the half; this never comes back."""
        crash = Crash(at=at, log=self.steps, armed=threading.Event())
        crash.install()

        def ready(**facts: Any) -> None:
            self._ready.write_text(str(facts.get("port", "ready")))
            crash.armed.set()

        try:
            if half == "receive":
                app.receive(config, threading.Event(), ready)
            elif self._judging_processes:
                os.environ["STAND_IN_FOLDER"] = str(folder)
                forkserver._forkserver.__init__()  # type: ignore[attr-defined,misc]  # that of the test is not ours
                app.work(
                    config,
                    threading.Event(),
                    ready,
                    judge=lambda given: Pool(
                        given, stand_in.load, stand_in_model.load_model, imports=(stand_in.__name__,)
                    ),
                )
            else:
                # The judging processes have their own tests.
                judge = InProcess(StandIn(config.store.folder))
                app.work(config, threading.Event(), ready, judge=lambda _: judge)
        finally:
            os._exit(1)

    def wait_ready(self) -> str:
        """Wait until it works; give the receiver's port."""
        wait_for(lambda: self._ready.exists() and self._ready.stat().st_size, what=f"{self.steps.name}")
        return self._ready.read_text()

    @property
    def pid(self) -> int:
        """Its process id; 0 after its death was noticed."""
        return self._pid

    @property
    def lives(self) -> bool:
        """False after it has died."""
        if self._pid and os.waitpid(self._pid, os.WNOHANG)[0]:
            self._pid = 0
        return bool(self._pid)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.lives:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0


def left_over(store: Path) -> list[str]:
    """Give what a crash has left, and a restart should have taken away: files that are being written or replaced."""
    hidden = [path for part in ("results", "quarantine") for path in (store / part).glob(".*")]
    return sorted(str(path.relative_to(store)) for path in [*hidden, *(store / "incoming").iterdir()])
