"""Kills at random while images are on their way, and what became of each image in the end."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import psutil
from pydicom import dcmread

from node.jobs import Entry, Sent
from node.store.store import open_store
from node.work.queue import open_jobs
from sgseg_dicom.config import Config
from tests.node.conftest import settings
from tests.node.processes import Archive, settled, wait_for
from tests.support.ports import free_ports
from tests.system.faults.crashes import left_over
from tests.system.faults.halves import Forked, Halves
from tests.system.faults.senders import Sender, image_files

VICTIMS = ("receive", "work", "judge")
SENDERS = 4
_LONGEST_PAUSE = 0.15
"""Between the permission to send some images and a kill: those of a kill take longer than this."""


@dataclass(frozen=True, kw_only=True)
class Killed:
    """
    What became of the images.

    Attributes:
        images: how many were sent.
        kills: how often each victim was killed.
        in_work: images in the queue or in work right before each kill; a node without one is not killed.
        tries: how often an image was sent.
        seconds: from the first image to the last result.
        lost: images that have no results, or whose results the archive lacks.
        doubled: jobs above one for each image, and results of one UID with different bytes.
        half_written: stored images that are not what was sent, and files that are left over.
    """

    images: int
    kills: Mapping[str, int]
    in_work: Sequence[int]
    tries: int
    seconds: float
    lost: list[str]
    doubled: list[str]
    half_written: list[str]


class Node:
    """Receiver and worker, each of which is started again after it was killed."""

    def __init__(self, halves: Halves) -> None:
        self._halves = halves
        self._pids = {name: halves.start(name) for name in ("receive", "work")}

    def kill(self, victim: str, rng: random.Random) -> bool:
        """Kill a process and wait until its successor works; False where there was none of that kind."""
        if victim == "judge":
            return self._kill_judging(rng)
        self._halves.kill(victim)
        self._pids[victim] = self._halves.start(victim)
        return True

    def restart(self) -> None:
        """Kill both, and start them again."""
        for name in self._pids:
            self._halves.kill(name)
        for name in self._pids:
            self._pids[name] = self._halves.start(name)

    def _kill_judging(self, rng: random.Random) -> bool:
        worker = psutil.Process(self._pids["work"])
        children = [judge for helper in worker.children() for judge in helper.children()]
        if not children:
            return False
        os.kill(rng.choice(children).pid, signal.SIGKILL)
        return True


def kill_at_random(
    folder: Path, *, images: int, kills: int, seed: int, halves: type[Halves] = Forked
) -> Killed:
    """Send *images* from four senders, kill so often on the way, and wait for the end."""
    rng, archive = random.Random(seed), Archive()
    (port,) = free_ports(1)
    (folder / "sent").mkdir()
    files = image_files(images, folder / "sent", ImageComments="busy")
    config = settings(folder, archive, receive={"port": port}, queue={"jobs_at_once": 4})
    with ExitStack() as stack:
        stack.callback(archive.close)
        node = Node(stack.enter_context(halves(config, folder)))
        began = time.monotonic()
        supply = Supply(images)
        senders = _send(port, [*files.values()], supply, stack)
        counts, in_work = _kill(node, config, archive, rng, supply=supply, kills=kills)
        for sender in senders:
            wait_for(lambda s=sender: not s.thread.is_alive(), what="the senders", seconds=300)
        entries = settled(config, *files)
        seconds = time.monotonic() - began
        node.restart()  # a restart takes away what a kill has left
        return Killed(
            images=images,
            kills=counts,
            in_work=in_work,
            tries=sum(sender.tries for sender in senders),
            seconds=seconds,
            lost=_lost(entries, archive),
            doubled=_doubled(config, images, archive),
            half_written=[*_changed(config, entries, files), *left_over(config.store.folder)],
        )


class Supply:
    """
    The images that may be sent by now. They come in parts, so that some are left for each kill.

    Args:
        images: all of them.
    """

    def __init__(self, images: int) -> None:
        self.released = 0
        self.images = images

    def release(self, images: int) -> None:
        """Let some more be sent."""
        assert self.released < self.images, "all images were sent before the last kill"
        self.released = min(self.released + images, self.images)

    def release_all(self) -> None:
        """Let all be sent."""
        self.released = self.images


def _send(port: int, files: Sequence[Path], supply: Supply, stack: ExitStack) -> list[Sender]:
    senders: list[Sender] = []

    def may_send() -> bool:
        return sum(len(sender.taken) for sender in senders) < supply.released

    senders += [Sender(port, files[number::SENDERS], may_send=may_send) for number in range(SENDERS)]
    for sender in senders:
        sender.thread.start()
        stack.callback(sender.stop)
    return senders


def _kill(
    node: Node, config: Config, archive: Archive, rng: random.Random, *, supply: Supply, kills: int
) -> tuple[Counter[str], list[int]]:
    """
    Kill again and again, each time while images that were just sent are on their way.

    Half of what was sent before has its results by then. A third of all images is left for the end.
    """
    counts, in_work, jobs = Counter[str](), [], open_jobs(config)
    part = max(1, round(supply.images / (1.5 * kills)))

    def unfinished() -> int:
        counted = jobs.counts()
        found = counted["waiting"] + counted["working"]
        if not found and len(archive.uids()) >= 2 * supply.released:  # all were done before this looked
            supply.release(1)
        return found

    while counts.total() < kills:
        done = supply.released
        supply.release(part)
        wait_for(lambda n=done: len(archive.got) >= n, what="results", seconds=300)
        time.sleep(rng.uniform(0, _LONGEST_PAUSE))
        victim = rng.choice(VICTIMS)
        found = wait_for(unfinished, what="an image in the queue or in work")
        if node.kill(victim, rng):
            counts[victim] += 1
            in_work.append(found)
    jobs.close()
    supply.release_all()
    return counts, in_work


def _lost(entries: Sequence[Entry], archive: Archive) -> list[str]:
    arrived = Counter(archive.uids())
    sources = {_source_study(content) for content in archive.got}
    short = [] if len(arrived) == 2 * len(entries) else [f"{len(arrived)} of {2 * len(entries)} results"]
    bad = [
        f"{entry.job.sop_instance_uid}: {entry.state}, {[one.state.value for one in entry.deliveries]}"
        for entry in entries
        if entry.state != "finding" or [one.state for one in entry.deliveries] != [Sent.DELIVERED]
    ]
    studies = [] if len(sources) == len(entries) else [f"results of {len(sources)} studies"]
    return [*short, *bad, *studies]


def _source_study(content: bytes) -> str:
    return str(dcmread(BytesIO(content)).StudyInstanceUID)


def _doubled(config: Config, images: int, archive: Archive) -> list[str]:
    jobs = open_jobs(config)
    known = jobs.all()
    jobs.close()
    more = [] if len(known) == images else [f"{len(known)} jobs"]
    other = len(set(archive.got)) - len(set(archive.uids()))
    stored = len(open_store(config).images())
    return [
        *more,
        *([f"{other} UIDs with other bytes"] if other else []),
        *([f"{stored} images stored"] if stored != images else []),
    ]


def _changed(config: Config, entries: Sequence[Entry], files: Mapping[str, Path]) -> list[str]:
    """Give the images that are stored otherwise than they were sent."""
    return [
        entry.job.file
        for entry in entries
        if dcmread(config.store.folder / entry.job.file) != dcmread(files[entry.job.sop_instance_uid])
    ]
