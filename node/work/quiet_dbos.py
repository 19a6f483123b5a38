"""
DBOS looks at its tables once a second, in three ways, though there is nothing of that kind in them: 1.5 % of a core.

It has no setting for it, so its own values are changed. Where a later version has others, it is only less quiet; a
test tells.
"""

from typing import Any

from dbos import _workflow_commands

SECONDS = 30.0
"""How often DBOS looks for delayed workflows and for those with a time limit. We have neither."""

_RESTING_SECONDS = 5.0
"""How often DBOS looks for workflows that were interrupted; at its launch it does so at once."""
_HURRYING_SECONDS = 0.05


def look_seldom() -> None:
    """Let DBOS seldom look for what it never finds. Call it before the launch."""
    if hasattr(_workflow_commands, "_BACKGROUND_JOBS_INTERVAL_SEC"):
        _workflow_commands._BACKGROUND_JOBS_INTERVAL_SEC = SECONDS


class Interrupted:
    """
    The queue of DBOS through which interrupted workflows are continued.

    Args:
        dbos: before its launch.
    """

    def __init__(self, dbos: Any) -> None:
        registry: Any = getattr(dbos, "_registry", None)
        self._queue: Any = registry.get_internal_queue() if hasattr(registry, "get_internal_queue") else None
        self._set(_HURRYING_SECONDS)

    def rest(self) -> None:
        """Look seldom from now on: what was interrupted runs again."""
        self._set(_RESTING_SECONDS)

    def _set(self, seconds: float) -> None:
        if hasattr(self._queue, "_polling_interval_sec"):
            self._queue._polling_interval_sec = seconds
