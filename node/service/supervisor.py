"""
Runs receiver and worker as processes: starts them, starts them again after they died, stops them together.

A child gets the settings as one line of JSON on its standard input, which then stays open. When it closes, this
process has ended, and the child stops. The child writes one line of JSON to its standard output when it is ready.
"""

import contextlib
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import IO, Any

import structlog

from sgseg_dicom.config import Config

log = structlog.get_logger(__name__)

CANNOT_START = 78
"""Exit status of a child that would fail at every start (EX_CONFIG of sysexits.h)."""
_FIRST_PAUSE, _LONGEST_PAUSE, _HEALTHY_AFTER = 1.0, 60.0, 60.0
_PATIENCE = 20.0
"""Seconds that a child may take to end."""
_TICK, _CALM_TICK = 0.1, 0.5
"""Seconds between two looks at the children: while they start, and afterwards."""

Ready = dict[str, Any]
"""What a child reports when it is ready, for example {"host": "127.0.0.1", "port": 11112}."""


class Child:
    """One process: its command, whether it is ready, and when it may be started again."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self.ready: Ready | None = None
        self._command = command
        self._process: subprocess.Popen[str] | None = None
        self._started = 0.0
        self._pause = _FIRST_PAUSE
        self._start_at = 0.0
        self._kill_at = math.inf

    @property
    def pid(self) -> int | None:
        """The process id while the process runs."""
        return self._process.pid if self._process else None

    def watch(self, settings: str, now: float) -> int | None:
        """Start the process when it is time; give its exit status if it has just ended, else None."""
        if self._process is None:
            if now >= self._start_at:
                self._start(settings, now)
            return None
        status = self._process.poll()
        if self._kill_at < math.inf:
            self._watch_restart(self._process, status, now)
            return None
        if status is not None:
            pause = self._note_end(self._process, now)
            log.error("child_died", child=self.name, status=status, restart_seconds=pause)
        return status

    def restart(self, now: float) -> None:
        """Let the process end its work, and start it again with the settings of then."""
        if self._process is not None:
            self.stop()
            self._kill_at = now + _PATIENCE

    def _watch_restart(self, process: "subprocess.Popen[str]", status: int | None, now: float) -> None:
        """Look whether the process has ended, as it was asked to."""
        if status is None and now > self._kill_at:
            log.error("child_killed", child=self.name)
            process.kill()
        if status is not None:
            self._kill_at, self._start_at = math.inf, now
            self._forget(process)

    def stop(self) -> None:
        """Ask the process to end. A process that is still starting is killed: it has nothing to finish."""
        if self._process and self.ready is None:
            self._process.kill()
        if self._process and self._process.stdin:
            self._process.stdin.close()

    def wait(self, seconds: float) -> None:
        """Wait for the end of the process, and kill it after so many seconds."""
        if self._process is None:
            return
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            log.error("child_killed", child=self.name)
            self._process.kill()
            self._process.wait()
        self._forget(self._process)

    def _start(self, settings: str, now: float) -> None:
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C then reaches this process only, which stops the children
        )
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("Popen gave no pipes")
        self._process, self._started = process, now
        log.info("child_started", child=self.name, pid=process.pid)
        threading.Thread(target=self._listen, args=(process.stdout,), daemon=True).start()
        with contextlib.suppress(BrokenPipeError):  # it has died already; `watch` will find that
            process.stdin.write(settings + "\n")
            process.stdin.flush()

    def _listen(self, output: IO[str]) -> None:
        with output:
            if line := output.readline():
                self.ready = json.loads(line)

    def _note_end(self, process: "subprocess.Popen[str]", now: float) -> float:
        """Give the pause until the next start in seconds. It doubles while the process dies soon after each start."""
        healthy = now - self._started > _HEALTHY_AFTER
        pause = _FIRST_PAUSE if healthy else self._pause
        self._pause, self._start_at = min(pause * 2, _LONGEST_PAUSE), now + pause
        self._forget(process)
        return pause

    def _forget(self, process: "subprocess.Popen[str]") -> None:
        if process.stdin:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        self._process, self.ready = None, None


class Supervisor:
    """Keeps the children running until it has to stop."""

    def __init__(self, config: Config, commands: Mapping[str, Sequence[str]]) -> None:
        self.children = {name: Child(name, command) for name, command in commands.items()}
        self._settings = config.to_json()

    @property
    def ready(self) -> Mapping[str, Ready]:
        """The reports of the children that are ready now."""
        return {name: child.ready for name, child in self.children.items() if child.ready is not None}

    @property
    def pids(self) -> Mapping[str, int]:
        """The ids of the processes that run now."""
        return {name: child.pid for name, child in self.children.items() if child.pid is not None}

    def restart(self, config: Config, names: Collection[str]) -> None:
        """Give the children other settings; those in *names* end their work and start again."""
        self._settings = config.to_json()
        for name in names:
            self.children[name].restart(time.monotonic())

    def run(
        self,
        stop: threading.Event,
        *,
        on_ready: Callable[[Mapping[str, Ready]], None],
        on_tick: Callable[[], None] = lambda: None,
    ) -> int:
        """
        Run until *stop* is set, or until a child that never was ready ends with CANNOT_START.

        Once all children were ready, the settings are right. A child that then ends with CANNOT_START met a full
        disk or a locked database, and is started again. *on_ready* is called once, at that moment, and *on_tick*
        again and again from then on.
        Gives the exit status for this process.
        """
        was_ready = False
        try:
            while not stop.wait(_CALM_TICK if was_ready else _TICK):
                for child in self.children.values():
                    status = child.watch(self._settings, time.monotonic())
                    if status == CANNOT_START and not was_ready:
                        return CANNOT_START
                if not was_ready and len(self.ready) == len(self.children):
                    was_ready = True
                    on_ready(self.ready)
                if was_ready:
                    on_tick()
        finally:
            self._stop()
        return 0

    def _stop(self) -> None:
        for child in self.children.values():
            child.stop()
        for child in self.children.values():
            child.wait(_PATIENCE)


def receive_settings(stop: threading.Event) -> Config:
    """Read the settings in a child. Set *stop* later, when the supervisor has ended."""
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(0, 1)  # not sys.stdin: a thread that waits in its buffer blocks the exit
        if not piece:
            raise SystemExit("the supervisor has ended")
        line += piece
    threading.Thread(target=_watch, args=(stop,), daemon=True).start()
    return Config.from_json(line.decode())


def report_ready(**facts: Any) -> None:
    """Report to the supervisor, from a child, that the work has begun."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _watch(stop: threading.Event) -> None:
    os.read(0, 1)
    stop.set()
