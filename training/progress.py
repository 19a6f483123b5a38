"""Progress bars on standard error: standard output holds the figures alone."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")


def progress(things: Sequence[T], what: str) -> Iterable[T]:
    """Give *things* one by one, and show how many are done."""
    return track(things, description=what, console=Console(stderr=True))
