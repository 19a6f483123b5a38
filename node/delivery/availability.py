"""What is known of each destination: whether it is down and why, how often it took results, and who waits for it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from threading import Condition

import structlog

from node.watch.worker_state import DestinationState
from sgseg_dicom.errors import PeerUnavailable, SgsegError

log = structlog.get_logger(__name__)


class Availability:
    """Remembers how attempts to deliver ended, and logs each change; safe to call from many threads."""

    def __init__(self) -> None:
        self._down: dict[str, str] = {}  # destination -> why
        self._successes: dict[str, int] = {}
        self._states: dict[str, DestinationState] = {}
        self._changed = Condition()

    def why_down(self, name: str) -> str:
        """Give the reason why the destination is down; "" where it is not known to be down."""
        with self._changed:
            return self._down.get(name, "")

    def successes(self, name: str) -> int:
        """Count the attempts at which the destination took everything; `note` needs the count before an attempt."""
        with self._changed:
            return self._successes.get(name, 0)

    def taken_at(self, name: str) -> float:
        """Give the POSIX time in seconds when the destination last took everything; 0 where it never did."""
        with self._changed:
            return self._state(name).taken_at

    def states(self, names: Iterable[str]) -> Mapping[str, DestinationState]:
        """Give how each destination stands, for other processes."""
        with self._changed:
            return {name: self._state(name) for name in names}

    def wait(self, name: str, seconds: float, *, successes: int) -> None:
        """
        Wait until the destination has taken more than *successes* times, and no longer than *seconds*.

        A clock that is set back does not make the wait longer.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._successes.get(name, 0) > successes, timeout=seconds)

    def note(self, name: str, error: SgsegError | None, *, successes: int, ended_at: float) -> None:
        """
        Remember how an attempt ended.

        Attempts run at the same time. One that began before the last success tells nothing new when it fails. A
        refusal is about the objects, and tells nothing of the destination.

        Args:
            name: the destination.
            error: why the attempt failed; None where the destination took everything.
            successes: the destination's count when the attempt began. A count, because a clock may be set back.
            ended_at: POSIX time in seconds.
        """
        with self._changed:  # also during the logging: the lines of the log stand in the order of the changes
            if error is None:
                self._successes[name] = self._successes.get(name, 0) + 1
                self._change(name, taken_at=ended_at, down_since=0.0, why_down="")
                if self._down.pop(name, None) is not None:
                    log.info("destination_up", destination=name)
                self._changed.notify_all()
                return
            self._change(name, failed_at=ended_at, last_error=str(error))
            if isinstance(error, PeerUnavailable) and successes == self._successes.get(name, 0):
                self._note_down(name, str(error), ended_at)

    def _state(self, name: str) -> DestinationState:
        return self._states.get(name, DestinationState())

    def _change(self, name: str, **values: float | str) -> None:
        self._states[name] = replace(self._state(name), **values)  # type: ignore[arg-type]

    def _note_down(self, name: str, why: str, at: float) -> None:
        self._change(name, down_since=self._state(name).down_since or at, why_down=why)
        # The same reason may come with more words at its end: how long the destination is left alone.
        known = self._down.get(name)
        if known is None or not why.startswith(known):
            log.warning("destination_down", destination=name, detail=why)
            self._down[name] = why
