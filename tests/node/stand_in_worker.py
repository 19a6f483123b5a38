"""
`python -m tests.node.stand_in_worker --supervised` is `sgseg-node work --supervised` with the stand-in's pipeline.

It judges in the worker's own process, which starts twice as fast; with `--processes` it does so as the real one does.
STAND_IN_RESUME_SECONDS is the pause between looks for jobs that nobody runs. STAND_IN_CLOCK_BACK is how many seconds
its clock is slow. STAND_IN_DIES_AFTER ("answer", "send", "request") ends the process the first time that this is
done, before it is recorded.
"""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from node import app, cli
from node.delivery.dimse import DimseSender
from node.judge.in_process import InProcess
from node.judge.pool import Pool
from node.work import workflows
from node.work.deliveries import Deliveries
from node.work.worker import Worker
from sgseg_dicom.config import Config
from tests.node import stand_in, stand_in_model

STEPS: Mapping[str, tuple[type, str]] = {
    "answer": (Worker, "answer"),
    "send": (Deliveries, "_send"),
    "request": (DimseSender, "request_commitment"),
}


def _die_after(owner: type, method: str, folder: Path) -> None:
    """End the process after the first call of a method, as a power cut would; a later process goes on."""
    whole, mark = getattr(owner, method), folder / "died"

    def call(*arguments: Any, **keywords: Any) -> Any:
        result = whole(*arguments, **keywords)
        if not mark.exists():
            mark.touch()
            os._exit(9)
        return result

    setattr(owner, method, call)


def _in_process(config: Config) -> InProcess:
    return InProcess(stand_in.StandIn(Path(os.environ["STAND_IN_FOLDER"])))


def _pool(config: Config) -> Pool:
    return Pool(config, stand_in.load, stand_in_model.load_model, imports=("tests.node.stand_in",))


if __name__ == "__main__":
    if step := os.environ.get("STAND_IN_DIES_AFTER"):
        _die_after(*STEPS[step], Path(os.environ["STAND_IN_FOLDER"]))
    if back := os.environ.get("STAND_IN_CLOCK_BACK"):
        real_time = time.time
        time.time = lambda: real_time() - float(back)
    if seconds := os.environ.get("STAND_IN_RESUME_SECONDS"):
        workflows.Workflows.resume_seconds = float(seconds)
    judge = _pool if "--processes" in sys.argv else _in_process
    cli.run_supervised(lambda config, stop, ready: app.work(config, stop, ready, judge=judge))
