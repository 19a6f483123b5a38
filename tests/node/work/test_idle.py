"""Receiver and worker that have nothing to do are asleep."""

import time
from pathlib import Path

import psutil
import pytest

from tests.node.processes import RECEIVE, STAND_IN, half, receive_here, settled

_SECONDS = 5.0
_MOST_WAKES_A_SECOND = 15
"""Of all threads together. A thread that looks 20 times a second is above it alone."""


@pytest.mark.parametrize("arguments", [RECEIVE, STAND_IN], ids=["receiver", "worker"])
def test_an_idle_half_wakes_seldom(configure, archive, tmp_path, arguments):
    """
    No thread looks again and again for what it could be told of.
    """
    config = configure(archive)
    with half(arguments, config, tmp_path) as one:
        if arguments is STAND_IN:
            settled(config, receive_here(config))
        time.sleep(2.0)  # what an earlier worker has left is looked for at the start
        before = wakes(one.process.pid)
        time.sleep(_SECONDS)
        woken = wakes(one.process.pid) - before

    assert woken / _SECONDS < _MOST_WAKES_A_SECOND


def wakes(pid: int) -> int:
    """Count how often the threads of a process have given up the processor by themselves, which is to wait."""
    found = 0
    for thread in psutil.Process(pid).threads():
        status = Path(f"/proc/{pid}/task/{thread.id}/status").read_text()
        found += int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])
    return found
