"""What is known of each destination: whether it is down and why, and when it last took something."""

from threading import Lock

import structlog

from sgseg_dicom.errors import PeerUnavailable, SgsegError

log = structlog.get_logger(__name__)


class Peers:
    """Remembers how attempts to deliver ended, and says when that changes; safe to call from many threads."""

    def __init__(self) -> None:
        self._down: dict[str, str] = {}  # and why
        self._takings: dict[str, int] = {}
        self._taken_at: dict[str, float] = {}
        self._lock = Lock()

    def why_down(self, name: str) -> str:
        """Give why the destination is down; "": it is not, as far as is known."""
        with self._lock:
            return self._down.get(name, "")

    def takings(self, name: str) -> int:
        """Count the attempts at which the destination took all; `note` asks for the count before its attempt."""
        with self._lock:
            return self._takings.get(name, 0)

    def taken_at(self, name: str) -> float:
        """Give when the destination last took something, in seconds since 1970; 0: never yet."""
        with self._lock:
            return self._taken_at.get(name, 0.0)

    def note(self, name: str, error: SgsegError | None, *, takings: int, ended_at: float) -> None:
        """
        Remember how an attempt ended (*error* None: all was taken).

        Attempts run side by side: one that began before the destination last took something says nothing new by
        its failure. A refusal is an answer to the objects, and says nothing of the destination.

        Args:
            name: the destination.
            error: why it failed.
            takings: of the destination when the attempt began. A count, as a clock may be set back.
            ended_at: seconds since 1970.
        """
        with self._lock:  # also while it is logged: the lines stand in the order of what they say
            if error is None:
                self._takings[name] = self._takings.get(name, 0) + 1
                self._taken_at[name] = ended_at
                if self._down.pop(name, None) is not None:
                    log.info("destination_up", destination=name)
            elif isinstance(error, PeerUnavailable) and takings == self._takings.get(name, 0):
                self._note_down(name, str(error))

    def _note_down(self, name: str, why: str) -> None:
        # The same cause may be told with more words: how long it is left alone.
        known = self._down.get(name)
        if known is None or not why.startswith(known):
            log.warning("destination_down", destination=name, detail=why)
            self._down[name] = why
