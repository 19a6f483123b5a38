"""
The places for associations: how many at a time, and who gives way when they are all taken.

A peer that holds associations and sends nothing must not keep others out. So when a limit is reached, the quietest
association within that limit gives its place to the newcomer. One that is sending, or waits for our answer, is never
broken off. C-ECHO has places of its own.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sgseg_dicom.config import Receive, Sender

ECHO_PLACES = 4
"""Associations that propose Verification alone, beside all others."""

_QUIET_SECONDS = 1.0
"""An association from which no message, and little of one, came for so long may be ended for a newcomer."""

_PROGRESS_BYTES = 1 << 14


class Ending(Protocol):
    """Ends an association."""

    def __call__(self, why: str) -> None:
        """End it at once, and tell *why* in the log."""
        ...


@dataclass(slots=True, eq=False)
class Place:
    """
    One association's place.

    Attributes:
        address: of the peer.
        calling: its AE title.
        sender: the entry by which it came in.
        only_echo: it proposes Verification alone.
        heard: when a message, or much of one, came last; monotonic, seconds.
        has_spoken: a command came.
        owed: requests that are not answered yet.
        over: it is being ended: nothing more is read from it.
        end: ends it.
        lives: whether it still runs.
        why: why reading failed.
    """

    address: str
    calling: str
    sender: Sender
    only_echo: bool
    heard: float = field(default_factory=time.monotonic)
    has_spoken: bool = False
    owed: int = 0
    over: bool = False
    end: Ending = lambda why: None
    lives: Callable[[], bool] = lambda: True
    why: str = ""
    _bytes: int = 0

    def note_bytes(self, count: int) -> None:
        """Note bytes that came. A few say nothing: else one byte a second would be a peer that sends."""
        self._bytes += count
        if self._bytes >= _PROGRESS_BYTES:
            self.note_whole()

    def note_whole(self) -> None:
        """Note that a message came whole, or that an answer left."""
        self.heard, self._bytes = time.monotonic(), 0


class Places:
    """All associations of a receiver. Used from one thread; `Place` itself from several."""

    def __init__(self, settings: Receive) -> None:
        self._settings = settings
        self._taken: list[Place] = []

    @property
    def taken(self) -> Sequence[Place]:
        """Those of now."""
        self._taken = [place for place in self._taken if place.lives() and not place.over]
        return self._taken

    def take(self, newcomer: Place) -> bool:
        """Give the newcomer a place, if need be that of a quiet one; False where all are busy."""
        for members, most in self._limits(newcomer):
            if len(members) >= most and not self._end_quietest(members, newcomer):
                return False
        self._taken.append(newcomer)
        return True

    def _limits(self, newcomer: Place) -> Sequence[tuple[Sequence[Place], int]]:
        """Give the groups that the newcomer would join, narrow ones first, each with its limit."""
        taken = self.taken
        if newcomer.only_echo:
            return [([place for place in taken if place.only_echo], ECHO_PLACES)]
        others = [place for place in taken if not place.only_echo]
        settings, sender = self._settings, newcomer.sender
        return [
            (
                [one for one in others if one.address == newcomer.address],
                settings.max_associations_per_address,
            ),
            ([one for one in others if one.sender is sender], sender.max_associations),
            (others, settings.max_associations),
        ]

    def _end_quietest(self, members: Sequence[Place], newcomer: Place) -> bool:
        """End the quietest of the address that has the most: those that never said anything before those that did."""
        living = [place for place in members if not place.over]
        if len(living) < len(members):  # one made room for a narrower limit already
            return True
        held = Counter(place.address for place in members)
        held[newcomer.address] += 1
        late = time.monotonic() - _QUIET_SECONDS
        quiet = [place for place in living if not place.owed and place.heard <= late]
        if not quiet:
            return False
        chosen = min(quiet, key=lambda place: (-held[place.address], place.has_spoken, place.heard))
        chosen.over = True
        chosen.end("it was quiet while others waited for a place")
        return True
