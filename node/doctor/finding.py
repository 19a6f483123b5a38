"""What was found about one thing that the node needs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from sgseg_dicom.errors import SgsegError


class State(StrEnum):
    """How good it is. WARNING: the node runs, and somebody should look. WRONG: it does not do its work."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What was found.

    Attributes:
        subject: what was looked at.
        state: how good it is.
        detail: what was seen; where it is not good, the cause and the cure.
    """

    subject: str
    state: State
    detail: str


Look = Callable[[], Iterator[Finding]]
"""Looks at something."""


def found(subject: str, look: Callable[[], str], *, failed: State = State.WRONG) -> Finding:
    """Give what *look* says; an expected error is the state *failed*, and its message has cause and cure."""
    try:
        return Finding(subject, State.OK, look())
    except SgsegError as error:
        return Finding(subject, failed, str(error))
