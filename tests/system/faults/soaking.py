"""Many images through receiver, worker and archive, and what the processes take of the machine on the way."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from node.work.queue import open_jobs
from sgseg_dicom.config import Config
from tests.node.conftest import settings
from tests.node.processes import RECEIVE, STAND_IN_PROCESSES, Archive, half, wait_for
from tests.support.builders import synthetic_chest
from tests.system.faults.footprints import Footprint, footprint
from tests.system.faults.senders import Sender, image_files

_SENDERS = 4
_QUIET_SECONDS = 2.0
"""From the last result until what the processes take is looked at."""

Soaked = Mapping[int, Mapping[str, Footprint]]
"""After so many images: what receiver and worker take."""


def soak(folder: Path, *, after: Sequence[int]) -> Soaked:
    """Send as many images as the last number says, and look at the processes after each number."""
    archive, found = Archive(), {}
    config = settings(folder, archive, queue={"jobs_at_once": 8})
    with half(RECEIVE, config, folder) as receiver, half(STAND_IN_PROCESSES, config, folder) as worker:
        for done, number in zip((0, *after), after, strict=False):
            part = folder / f"until-{number}"
            part.mkdir()
            files = [*image_files(number - done, part, pixels=synthetic_chest((96, 80))).values()]
            senders = [Sender(receiver.ready["port"], files[n::_SENDERS]) for n in range(_SENDERS)]
            for sender in senders:
                sender.thread.start()
            wait_for(lambda n=number: len(archive.got) >= 2 * n, what="the results", seconds=1800)
            wait_for(lambda: not any(_unfinished(config).values()), what="the end of all jobs", seconds=600)
            for sender in senders:
                sender.stop()
            time.sleep(_QUIET_SECONDS)
            found[number] = {
                "receiver": footprint(receiver.process.pid),
                "worker": footprint(worker.process.pid),
            }
    archive.close()
    return found


def _unfinished(config: Config) -> Mapping[str, int]:
    jobs = open_jobs(config)
    try:
        return jobs.counts()
    finally:
        jobs.close()
