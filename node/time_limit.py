"""
How long what is under way in a thread may still wait: one limit for all that it waits for, one after another.

A sender waits for one answer. Behind it stand a lock of the store and several statements of the queue; a limit for
each of them would add up.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_UNTIL: ContextVar[float] = ContextVar("until", default=math.inf)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Let what is done meanwhile, in this thread, wait for so many *seconds* in all."""
    token = _UNTIL.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _UNTIL.reset(token)


def seconds_left() -> float:
    """Give the seconds that may still be waited: 0 where the time is over, infinite where there is no limit."""
    return max(0.0, _UNTIL.get() - time.monotonic())
