"""Log lines of libraries that say the same again: one a minute is written, with how many there were before."""

import logging
import time

_WINDOW_SECONDS = 60.0

Place = tuple[str, int, str]


class RepeatedLines(logging.Filter):
    """
    Passes a line once a minute for each place in the code and class of error.

    Args:
        loggers: names with which a logger's name begins whose lines are counted; others all pass.
    """

    def __init__(self, loggers: tuple[str, ...]) -> None:
        super().__init__()
        self._loggers = loggers
        self._passed: dict[Place, float] = {}
        self._held: dict[Place, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the line is written; `record.repeated` has the number of those that were not."""
        if not record.name.startswith(self._loggers):
            return True
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        place = (record.pathname, record.lineno, error)
        now = time.monotonic()
        if now - self._passed.get(place, -_WINDOW_SECONDS) < _WINDOW_SECONDS:
            self._held[place] = self._held.get(place, 0) + 1
            return False
        self._passed[place] = now
        record.repeated = self._held.pop(place, 0)
        return True
