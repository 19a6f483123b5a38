"""Receiver and worker that can be killed and started again, as processes of their own or as forks."""

import multiprocessing
import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from sgseg_dicom.config import Config
from tests.node.processes import RECEIVE, STAND_IN_PROCESSES, Half
from tests.system.faults.crashes import NEVER, Fork


class Halves(ABC):
    """Starts and kills the halves "receive" and "work" of a node; kills what lives at the end of the block."""

    def __init__(self, config: Config, folder: Path) -> None:
        self._config, self._folder = config, folder

    def __enter__(self) -> "Halves":
        return self

    def __exit__(self, *_: object) -> None:
        for half in ("receive", "work"):
            self.kill(half)

    @abstractmethod
    def start(self, half: str) -> int:
        """Start a half and wait until it works; give its process id."""

    @abstractmethod
    def kill(self, half: str) -> None:
        """End a half as a power cut would."""


class OwnProcesses(Halves):
    """As a supervisor starts them: each start takes some seconds."""

    def __init__(self, config: Config, folder: Path) -> None:
        super().__init__(config, folder)
        self._halves: dict[str, Half] = {}

    def start(self, half: str) -> int:
        """Start a half and wait until it works; give its process id."""
        command = {"receive": RECEIVE, "work": STAND_IN_PROCESSES}[half]
        self._halves[half] = one = Half(command, self._config, self._folder)
        one.wait_ready()
        return one.process.pid

    def kill(self, half: str) -> None:
        """End a half as a power cut would."""
        one = self._halves.pop(half)
        one.kill()
        for pipe in (one.process.stdin, one.process.stdout):
            if pipe:
                pipe.close()


class Forked(Halves):
    """
    As forks, which cost no imports.

    They are forks of a fork that has no threads: those of this process may hold locks at that moment.
    """

    def __init__(self, config: Config, folder: Path) -> None:
        super().__init__(config, folder)
        self._ours, theirs = multiprocessing.Pipe()
        self._pid = os.fork()
        if not self._pid:
            try:
                self._serve(theirs)
            finally:
                os._exit(0)

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._ours.send(None)
        os.waitpid(self._pid, 0)

    def start(self, half: str) -> int:
        """Start a half and wait until it works; give its process id."""
        return self._asked("start", half)

    def kill(self, half: str) -> None:
        """End a half as a power cut would."""
        self._asked("kill", half)

    def _asked(self, what: str, half: str) -> int:
        self._ours.send((what, half))
        return int(self._ours.recv())

    def _serve(self, connection: Any) -> None:
        forks: dict[str, Fork] = {}
        while order := connection.recv():
            what, half = order
            if what == "start":
                forks[half] = Fork(half, self._config, self._folder, NEVER, judging_processes=True)
                forks[half].wait_ready()
            else:
                forks[half].kill()
            connection.send(forks[half].pid)
