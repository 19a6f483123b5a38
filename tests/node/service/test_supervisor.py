"""Children that die are started again; children that cannot start stop the start."""

import os
import sys
import threading
from functools import partial
from pathlib import Path

import psutil
import pytest

from node.service.supervisor import CANNOT_START, Child, Supervisor
from sgseg_dicom.config import Config
from tests.node.processes import ROOT, wait_for

CHILD = (
    "import os, sys, threading\n"
    "from node.service.supervisor import receive_settings, report_ready\n"
    "stop = threading.Event()\n"
    "settings = receive_settings(stop)\n"
    "open(sys.argv[1], 'a').write(f'{os.getpid()}\\n')\n"
    "report_ready(port=settings.receive.port)\n"
    "while not stop.wait(0.02):\n"
    f"    if os.path.exists(sys.argv[-1] + '.full'): sys.exit({CANNOT_START})\n"
)


class Running:
    """A supervisor in a thread."""

    def __init__(self, *commands: list[str]) -> None:
        self.stop, self.told = threading.Event(), threading.Event()
        self.status: int | None = None
        config = Config.internal(receive={"port": 0})
        self.supervisor = Supervisor(
            config, {str(number): command for number, command in enumerate(commands)}
        )
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        self.status = self.supervisor.run(self.stop, on_ready=lambda ready: self.told.set())

    def end(self) -> int | None:
        """Stop it; give the exit status."""
        self.stop.set()
        self.thread.join(30)
        return self.status


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def pids(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def child(file: Path) -> list[str]:
    return [sys.executable, "-c", CHILD, str(file)]


def test_children_get_the_settings_and_end_with_us(tmp_path):
    """
    Each child has its own process, hears the settings, and is gone when the supervisor ends.
    """
    running = Running(child(tmp_path / "a"), child(tmp_path / "b"))
    assert running.told.wait(30)
    ready = dict(running.supervisor.ready)
    status = running.end()

    assert (status, ready) == (0, {"0": {"port": 0}, "1": {"port": 0}})
    assert not any(psutil.pid_exists(pid) for pid in pids(tmp_path / "a") + pids(tmp_path / "b"))


def test_a_child_that_died_is_started_again(tmp_path):
    """
    A worker that a CUDA fault took comes back; until then it is not ready.
    """
    running = Running(child(tmp_path / "a"))
    assert running.told.wait(30)
    os.kill(pids(tmp_path / "a")[0], 9)
    wait_for(lambda: not running.supervisor.ready, what="the death to be seen")
    wait_for(lambda: running.supervisor.ready, what="the second life")

    assert running.end() == 0
    assert len(set(pids(tmp_path / "a"))) == 2


def test_a_child_that_cannot_start_stops_the_start(tmp_path):
    """
    Wrong weights or a taken port do not get better by trying again.
    """
    running = Running(child(tmp_path / "a"), [sys.executable, "-c", f"raise SystemExit({CANNOT_START})"])
    running.thread.join(30)

    assert running.status == CANNOT_START
    assert not any(psutil.pid_exists(pid) for pid in pids(tmp_path / "a"))


def test_a_child_that_meets_a_full_disk_is_started_again(tmp_path):
    """
    After the node was once ready, the status of a child that cannot start ends the child alone.
    """
    running = Running(child(tmp_path / "a"))
    assert running.told.wait(30)
    (tmp_path / "a.full").touch()
    wait_for(lambda: not running.supervisor.ready, what="the death to be seen")
    (tmp_path / "a.full").unlink()
    wait_for(lambda: running.supervisor.ready, what="the second life")

    assert running.end() == 0
    assert len(set(pids(tmp_path / "a"))) == 2


def _has_died(child: Child, now: float) -> bool:
    return child.watch("{}", now) is not None


def starts(lives: list[float]) -> list[float]:
    """Give when a child is started whose lives take so many seconds each, on a clock that the test makes up."""
    child, now, times = Child("child", ["true"]), 0.0, []
    for life in lives:
        child.watch("{}", now)
        while child.pid is None:
            now += 1.0
            child.watch("{}", now)
        times.append(now)
        now += life
        wait_for(partial(_has_died, child, now), what="the death to be seen")
    return times


@pytest.mark.parametrize(
    ("lives", "expected"),
    [
        ([0.0] * 9, [0, 1, 3, 7, 15, 31, 63, 123, 183]),
        ([0.0, 0.0, 100.0, 0.0, 0.0], [0, 1, 3, 104, 106]),
    ],
    ids=["the pause doubles up to a minute", "a long life makes it short again"],
)
def test_a_child_that_keeps_dying_is_not_started_in_a_loop(lives, expected):
    """
    Its pauses grow; a child that lived for more than a minute has them short again.
    """
    assert starts(lives) == expected


def test_children_that_get_other_settings_end_and_start_again(tmp_path):
    """
    At once, and the others run on.
    """
    running = Running(child(tmp_path / "a"), child(tmp_path / "b"))
    assert running.told.wait(30)
    running.supervisor.restart(Config.internal(receive={"port": 0}, log={"level": "debug"}), ("1",))
    wait_for(lambda: len(pids(tmp_path / "b")) == 2, what="the second life")
    wait_for(lambda: len(running.supervisor.ready) == 2, what="both")

    assert running.end() == 0
    assert len(pids(tmp_path / "a")) == 1
