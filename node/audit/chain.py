"""
One line of the trail, and how lines hang together.

    {"number":7,"at":"2026-11-30T06:00:00.123456Z","event":"received",...,"before":"<SHA-256 of the line before>"}

Each line carries the hash of the line before it, over all files. Who changes, adds or removes a line would have to
write all later ones anew.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

GENESIS = "0" * 64
"""What the first line of all carries."""

MENDED = "mended"
"""Event after a line that a crash cut off: it carries the hash of what is left of it."""

FORGOTTEN = "forgotten"
"""Event before a file whose days are over is deleted: it carries the hash of its last line."""

_OURS = ("number", "at", "event", "before")
_IDS = ("job", "image", "study", "destination", "last")
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"

Event = Mapping[str, Any]
"""What happened: "event" is its name, "at" its POSIX time in seconds; the rest are ids, AE titles, codes."""


@dataclass(frozen=True, slots=True)
class Head:
    """
    The end of a chain.

    Attributes:
        number: of the last line; 0 where there is none.
        hash: SHA-256 of the last line, hexadecimal.
    """

    number: int = 0
    hash: str = GENESIS

    def line(self, event: Event) -> bytes:
        """Write the line that follows, with its end."""
        facts = {
            name: value for name, value in event.items() if name not in _OURS and value not in ("", None, [])
        }
        line = {
            "number": self.number + 1,
            "at": written(event["at"]),
            "event": event["event"],
            **facts,
            "before": self.hash,
        }
        return json.dumps(line, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"

    def is_followed_by(self, line: bytes) -> bool:
        """Report whether *line* is the next one."""
        found = parsed(line)
        return found is not None and (found["number"], found["before"]) == (self.number + 1, self.hash)

    def after(self, line: bytes) -> "Head":
        """Give the end of the chain after *line*."""
        return Head(self.number + 1, digest(line))


def digest(line: bytes) -> str:
    """Give the hash of a line, without its end."""
    return hashlib.sha256(line.rstrip(b"\n")).hexdigest()


def written(at: float) -> str:
    """Write a time as the trail has it: UTC, microseconds."""
    return datetime.fromtimestamp(at, UTC).strftime(_TIME)


def parsed(line: bytes) -> dict[str, Any] | None:
    """Read a line; None where it is no line of a trail: somebody changed it, or it is of another file."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and _is_line(found) else None


def _is_line(found: dict[str, Any]) -> bool:
    """Report whether the parts of a line that readers use have the form that the trail gives them."""
    number, *texts = (found.get(name) for name in _OURS)
    texts += [found.get(name, "") for name in _IDS]
    if type(number) is not int or not all(isinstance(text, str) for text in texts):
        return False
    try:
        return bool(found["at"] == datetime.fromisoformat(found["at"]).strftime(_TIME))
    except ValueError:
        return False
