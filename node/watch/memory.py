"""How much memory the processes of the node take, as the kernel says (proc(5))."""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_PARENT = 1
"""Place of the parent's id among the fields of /proc/<pid>/stat that follow the name."""


def memory_of(pids: Mapping[str, int]) -> dict[str, float]:
    """
    Give the bytes that no file backs, by name; nothing for a process that has ended.

    Processes that "work" has started, and those that they have started, are "judges" together.
    """
    memory = {name: _own_bytes(pid) for name, pid in pids.items()}
    if "work" in pids:
        memory["judges"] = sum(map(_own_bytes, _descendants(pids["work"])))
    return {name: float(used) for name, used in memory.items() if used}


def _own_bytes(pid: int) -> int:
    try:
        _, resident, shared, *_ = (_PROC / str(pid) / "statm").read_text("ascii").split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def _descendants(pid: int) -> Iterator[int]:
    children: dict[int, list[int]] = defaultdict(list)
    for one, parent in _parents():
        children[parent].append(one)
    waiting = list(children[pid])
    while waiting:
        one = waiting.pop()
        waiting += children[one]
        yield one


def _parents() -> Iterator[tuple[int, int]]:
    """Give each process with its parent; none where the kernel has no such folder."""
    with suppress(OSError):
        for folder in _PROC.iterdir():
            if folder.name.isdigit():
                with suppress(OSError, ValueError, IndexError):  # it has ended
                    fields = (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
                    yield int(folder.name), int(fields[_PARENT])
