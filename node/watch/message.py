"""One message to people or programs, and how it may fail to reach them."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

from sgseg_dicom.errors import SgsegError
from sgseg_dicom.watching import Trouble


class NotTold(SgsegError):
    """A webhook or a mail server did not take a message; the next attempt may succeed."""


class State(StrEnum):
    """What a message says of its trouble."""

    BEGINS = "begins"
    LASTS = "lasts"
    OVER = "over"
    HAPPENED = "happened"


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """
    What is told. It has no patient data.

    Attributes:
        id: the same at every attempt.
        at: POSIX time of the first attempt, in seconds.
        node: which node says it.
        trouble: what it is about.
        subject: whose: a destination, a certificate; "" where it is the node's.
        state: whether it begins, lasts, is over or has happened.
        words: a sentence.
        number: how often it has happened since it was told last; 0 for what lasts.
    """

    id: str
    at: float
    node: str
    trouble: Trouble
    subject: str
    state: State
    words: str
    number: int = 0

    @property
    def title(self) -> str:
        """One line: "destination-down: PACS (over)"."""
        subject = f": {self.subject}" if self.subject else ""
        return f"{self.trouble.value}{subject} ({self.state.value})"

    def to_json(self) -> bytes:
        """Write it for a program."""
        at = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds")
        said = {
            "id": self.id,
            "at": at.replace("+00:00", "Z"),
            "node": self.node,
            "event": self.trouble.value,
            "subject": self.subject,
            "state": self.state.value,
            "text": self.words,
            "number": self.number,
        }
        return json.dumps(said).encode()


class Channel(Protocol):
    """A way to somebody."""

    def send(self, message: Message) -> None:
        """
        Send one message, within half a minute.

        Raises:
            NotTold: it was not taken; with the cause.
            ConfigError: a file of the settings cannot be used.
        """
        ...
