"""Whether the trail is what was written: each line's hash stands in the next one."""

from dataclasses import dataclass, field
from typing import Any

from node.audit.chain import FORGOTTEN, GENESIS, MENDED, Head, digest, parsed
from node.audit.trail import Trail, lines_of
from node.store.fsync import storage


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """
    What was found.

    Attributes:
        events: lines that hang together, up to the first that does not.
        head: the end of the chain up to there.
        broken: the first place where it is broken, and how; "" where it is whole.
        torn: what a crash left behind the last line, in bytes; the next event says so.
    """

    events: int
    head: Head
    broken: str = ""
    torn: int = 0


def verify(trail: Trail, *, head: str = "") -> Verified:
    """
    Check the whole chain.

    Args:
        trail: the files.
        head: a hash that was printed before and kept elsewhere: one of the lines must have it.

    Raises:
        StorageUnavailable: a file cannot be read.
    """
    chain = _Chain()
    with storage(trail.folder):
        broken = _first_broken(trail, chain)
    if broken:
        return Verified(events=chain.events, head=chain.head, broken=broken)
    why = chain.why_not_at_the_end(head)
    return Verified(
        events=chain.events, head=chain.head, broken=why, torn=0 if why or not chain.torn else len(chain.torn)
    )


def _first_broken(trail: Trail, chain: "_Chain") -> str:
    """Take all lines; name the first that breaks the chain, and say how; "" where none does."""
    for path in trail.files():
        for number, line in enumerate(lines_of(path), start=1):
            if why := chain.why_not(line):
                return f"{path.name} line {number}: {why}"
    return ""


@dataclass(slots=True)
class _Chain:
    """The lines so far."""

    head: Head = field(default_factory=Head)
    events: int = 0
    torn: bytes = b""
    first_before: str = GENESIS
    seen: set[str] = field(default_factory=set)
    forgotten: set[str] = field(default_factory=set)

    def why_not(self, line: bytes) -> str:
        """Take the next line; say how it breaks the chain, "" where it does not."""
        event = parsed(line) if line.endswith(b"\n") else None
        if event is None:
            why = "it is no event" if self.torn else ""
            self.torn = line
            return why
        why = self._why_torn(event) or self._why_not_next(event)
        if not why:
            self._take(event, line)
        return why

    def why_not_at_the_end(self, head: str) -> str:
        """Say what is wrong with the chain as a whole; "" where nothing is."""
        if self.torn.endswith(b"\n"):
            return "the last line is no event"
        if self.first_before != GENESIS and self.first_before not in self.forgotten:
            return "the beginning: a file is missing, and no event says that its days were over"
        if head and head not in self.seen:
            return "the end: no line has the hash that you gave; lines were removed, or all were written anew"
        return ""

    def _why_torn(self, event: dict[str, Any]) -> str:
        if not self.torn:
            return ""
        torn, self.torn = self.torn, b""
        if event["event"] == MENDED and event.get("torn") == digest(torn):
            return ""
        return "the line before it is no event"

    def _why_not_next(self, event: dict[str, Any]) -> str:
        if not self.events:
            self.first_before = event["before"]
            self.head = Head(event["number"] - 1, event["before"])
        if event["before"] != self.head.hash:
            return "the line before it was changed, removed or added"
        return "" if event["number"] == self.head.number + 1 else "its number does not follow"

    def _take(self, event: dict[str, Any], line: bytes) -> None:
        if event["event"] == FORGOTTEN:
            self.forgotten.add(event.get("last", ""))
        self.head, self.events = self.head.after(line), self.events + 1
        self.seen.add(self.head.hash)
