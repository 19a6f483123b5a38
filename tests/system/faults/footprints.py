"""What a process and its children take of the machine: memory, descriptors, threads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, kw_only=True, slots=True)
class Footprint:
    """
    What a process takes, with its children.

    Attributes:
        bytes: proportional set size: what processes share counts once, in parts.
        descriptors: open files and sockets.
        threads: of all of them.
        processes: how many.
    """

    bytes: int
    descriptors: int
    threads: int
    processes: int


def footprint(pid: int) -> Footprint:
    """Look at a process and its children, and at theirs; those that have just ended count nothing."""
    memory = descriptors = threads = processes = 0
    for process in tree(pid):
        try:
            memory += process.memory_full_info().pss
            descriptors += process.num_fds()
            threads += process.num_threads()
            processes += 1
        except psutil.Error:
            continue
    return Footprint(bytes=memory, descriptors=descriptors, threads=threads, processes=processes)


def tree(pid: int) -> list[psutil.Process]:
    """Give a process and its children, and theirs; none where it has ended."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


class Most:
    """The most memory that processes and their children had, in bytes, by name."""

    def __init__(self, pids: dict[str, int]) -> None:
        self.bytes = dict.fromkeys(pids, 0)
        self._pids = pids

    def look(self) -> None:
        """Look once."""
        for name, pid in self._pids.items():
            self.bytes[name] = max(self.bytes[name], footprint(pid).bytes)


@contextmanager
def most_memory(**pids: int) -> Iterator[Most]:
    """Look five times a second until the block ends."""
    most, stop = Most(pids), threading.Event()

    def watch() -> None:
        while not stop.wait(0.2):
            most.look()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        stop.set()
        watcher.join()
