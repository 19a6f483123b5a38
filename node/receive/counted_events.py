"""Log lines that a peer can cause as often as it likes: the first one is written, its repetitions are counted."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from node.audit.recorder import Note, note_nothing

log = structlog.get_logger(__name__)

REJECTED = "association_rejected"
_WINDOW_SECONDS = 60.0
_MOST_KINDS = 256
"""Kinds of events that are counted each for itself; further ones are counted for all addresses together."""

_SEVERAL = "several"

Kind = tuple[str, str, str]


@dataclass(slots=True)
class _Counted:
    since: float
    facts: dict[str, str]
    times: int = 0


@dataclass(slots=True)
class CountedEvents:
    """
    Writes an event of an address at once; what repeats it within a minute becomes one more line with their number.

    Attributes:
        clock: monotonic, in seconds.
        note: takes the associations that were rejected for the audit trail, their repetitions counted as well.
    """

    clock: Callable[[], float] = time.monotonic
    note: Note = note_nothing
    _kinds: dict[Kind, _Counted] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, event: str, *, address: str, detail: str, **facts: str) -> None:
        """
        Log a warning, or count it.

        Args:
            event: its name.
            address: the peer's.
            detail: why; nothing that the peer chose.
            facts: of the first such event; they do not tell kinds apart.
        """
        with self._lock:
            full = len(self._kinds) >= _MOST_KINDS and (event, address, detail) not in self._kinds
            kind = (event, _SEVERAL if full else address, detail)
            if kind in self._kinds:
                self._kinds[kind].times += 1
                return
            self._kinds[kind] = _Counted(self.clock(), facts)
        log.warning(event, address=kind[1], detail=detail, **facts)
        if event == REJECTED:
            who = {"sender": facts.get("peer", ""), "called": facts.get("called", "")}
            self.note("rejected", address=kind[1], why=detail.split(":")[0], **who)

    def flush(self, *, everything: bool = False) -> None:
        """Log the numbers of a minute that has passed, or of what was counted until now."""
        now = self.clock()
        with self._lock:
            over = [
                kind
                for kind, seen in self._kinds.items()
                if everything or now - seen.since >= _WINDOW_SECONDS
            ]
            ended = [(kind, self._kinds.pop(kind)) for kind in over]
        for (event, address, detail), seen in ended:
            if seen.times:
                log.warning(
                    event,
                    address=address,
                    detail=detail,
                    repeated=seen.times,
                    seconds=round(now - seen.since),
                )
                if event == REJECTED:
                    self.note("rejected", address=address, why=detail.split(":")[0], times=seen.times)
