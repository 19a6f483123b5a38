"""What the worker alone knows, in a file for other processes: its model, and how each destination stands."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from node.store.own_files import write_own

FILE = "worker.json"
SECONDS = 2.0
"""How old it is at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DestinationState:
    """
    How a destination stood when it was last asked to take something. It begins anew with each worker.

    Attributes:
        down_since: POSIX time of the attempt with which it went down; 0 where it is not known to be down.
        why_down: cause and cure in a sentence, with how long it is left alone where it is; "" where it is up.
        taken_at: POSIX time when it last took everything of an attempt; 0: not yet.
        failed_at: POSIX time of its last failure, of whatever kind; 0: none.
        last_error: what it said then; "".
    """

    down_since: float = 0.0
    why_down: str = ""
    taken_at: float = 0.0
    failed_at: float = 0.0
    last_error: str = ""

    @property
    def is_up(self) -> bool:
        """False while it is known to be down."""
        return not self.down_since


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerState:
    """
    What the worker tells of itself.

    Attributes:
        model: name, version, weights (SHA-256) and runtime of the model; empty before it is loaded.
        destinations: by name; those that were not asked yet have the state of one that is up.
    """

    model: Mapping[str, str] = field(default_factory=dict)
    destinations: Mapping[str, DestinationState] = field(default_factory=dict)


class StateFile:
    """
    Writes the state when it has changed.

    Args:
        folder: the store's.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._written: WorkerState | None = None

    def write(self, state: WorkerState) -> None:
        """Replace what was written. A full disk is no error here: another check finds it."""
        if state == self._written:
            return
        unfinished = self._path.with_suffix(".new")
        with suppress(OSError):
            write_own(unfinished, json.dumps(asdict(state)).encode())
            unfinished.replace(self._path)
            self._written = state


def read_worker_state(folder: Path) -> WorkerState:
    """Give what was written last; that of a worker which has just begun, where it cannot be read."""
    try:
        found = json.loads((folder / FILE).read_text("utf-8"))
        named = {name: DestinationState(**one) for name, one in found["destinations"].items()}
        return WorkerState(model=dict(found["model"]), destinations=named)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return WorkerState()
