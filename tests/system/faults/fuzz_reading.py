"""Fuzzed files through `sgseg_dicom.reading`, in a process that can be killed, as a judging process can."""

import multiprocessing
import os
import resource
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from node.logs import places_of
from sgseg_dicom.errors import SgsegError, UnsupportedObject
from sgseg_dicom.reading.read import read, read_header
from tests.support.fuzzing import bases, fuzzed_file

MOST_CPU_SECONDS = 5.0
MOST_BYTES = 1 << 30
_MOST_PIXELS = 64_000_000
"""[queue] max_megapixels."""


@dataclass
class Read:
    """
    What became of the files.

    Attributes:
        outcomes: how often each: "read", or the error of ours.
        failed: number of the file -> what was raised that is no error of ours, "hung", "died" or "took too much".
        slowest: processor time of the slowest file, in seconds.
        most_bytes: what the process took for a file at most.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    failed: dict[int, str] = field(default_factory=dict)
    slowest: float = 0.0
    most_bytes: int = 0


Data = Callable[[int], bytes]
"""Gives file number N."""


def read_fuzzed(folder: Path, count: int, *, seed: int) -> Read:
    """Read so many fuzzed files."""
    sound = bases(folder)
    return read_all(folder, count, lambda number: fuzzed_file(sound, number, seed=seed))


def read_all(folder: Path, count: int, data: Data) -> Read:
    """Read so many files; where the process must be killed, another one goes on behind that file."""
    end, number = Read(), 0
    while number < count:
        number = _read_until_death(folder, range(number, count), data, end)
        if number - 1 in end.failed:
            print(f"file {number - 1}: {end.failed[number - 1]}", file=sys.stderr, flush=True)
    return end


def outcome_of(path: Path) -> str:
    """
    Read a file as the pipeline does, and its header where that fails.

    Raises:
        Exception: what is no error of ours: a defect.
    """
    try:
        read(path, require_room=_require_room)
    except SgsegError as error:
        with suppress(SgsegError):
            read_header(path)
        return type(error).__name__
    return "read"


def _require_room(pixels: int) -> None:
    if pixels > _MOST_PIXELS:
        raise UnsupportedObject("larger than [queue] max_megapixels")


def _read_until_death(folder: Path, numbers: range, data: Data, end: Read) -> int:
    """Start a process that reads files in order; give the number of the first one that is still to be read."""
    ours, theirs = multiprocessing.get_context("fork").Pipe()
    child = multiprocessing.get_context("fork").Process(target=_child, args=(theirs, folder, numbers, data))
    child.start()
    theirs.close()
    process, number, began = psutil.Process(child.pid), numbers.start, 0.0
    try:
        while number < numbers.stop:
            if ours.poll(0.2):
                number, outcome, defect, seconds, most = ours.recv()
                end.outcomes[outcome] += 1
                end.slowest, end.most_bytes = max(end.slowest, seconds), max(end.most_bytes, most)
                if defect:
                    end.failed[number] = defect
                    print(f"file {number}: {defect}", file=sys.stderr, flush=True)
                number, began = number + 1, _processor_seconds(process)
            elif _processor_seconds(process) - began > MOST_CPU_SECONDS:
                end.failed[number] = "hung"
                return number + 1
    except EOFError:
        end.failed[number] = f"died: {child.exitcode}"
        return number + 1
    finally:
        child.kill()
        child.join()
    return number


def _processor_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _child(connection: "Connection[Any, Any]", folder: Path, numbers: range, data: Data) -> None:
    # Address space: an element may claim 4 GB, which are reserved and not used.
    resource.setrlimit(resource.RLIMIT_AS, (64 << 30, 64 << 30))
    warnings.simplefilter("ignore")
    path = folder / f"{os.getpid()}.dcm"
    for number in numbers:
        path.write_bytes(data(number))
        _forget_peak()
        before = _peak()
        began, defect = time.process_time(), ""
        try:
            outcome = outcome_of(path)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
            outcome, defect = "defect", f"{type(error).__name__} at {places_of(error)}"
        seconds, most = time.process_time() - began, _peak() - before  # a fork has what its parent had
        if most > MOST_BYTES:
            defect = defect or f"took {most >> 20} MB"
        if seconds > MOST_CPU_SECONDS:
            defect = defect or f"took {seconds:.1f} s"
        connection.send((number, outcome, defect, seconds, most))


def _forget_peak() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak is what is resident now


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10
