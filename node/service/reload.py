"""SIGHUP: read the settings again, and start again what they are for. What is in flight comes to its end before."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import structlog

from sgseg_dicom.config import Config
from sgseg_dicom.errors import ConfigError, SgsegError

log = structlog.get_logger(__name__)

_FOR: Mapping[str, tuple[str, ...]] = {
    "receive": ("receive", "work"),  # the worker calls destinations by our AE title
    "store": ("receive", "work"),
    "queue": ("receive", "work"),
    "model": ("work",),
    "report": ("work",),
    "deliver": ("work",),
    "log": ("receive", "work"),
    "audit": ("receive", "work"),
    "watch": (),  # this process watches
    "notify": (),
    "sender": ("receive",),
    "destination": ("receive", "work"),  # archives report on Storage Commitment to the receiver
}
"""The children that a section of the settings is for."""

_FIXED = ("store.folder", "page.host", "page.port", "page.names")
"""What cannot change while the node runs: the queue and the page stay open."""


_UNTOLD = ("notify.webhook_url",)
"""Settings whose values the log does not have: who knows the address of some webhooks may use them."""


class Reload:
    """
    Reads the settings again and gives them to the children.

    Args:
        config: the settings of now.
        read: reads them again.
        check: refuses settings with which nothing could start.
        restart: gives new settings to the children, and starts those with these names again.
    """

    def __init__(
        self,
        config: Config,
        *,
        read: Callable[[], Config],
        check: Callable[[Config], None],
        restart: Callable[[Config, tuple[str, ...]], None],
    ) -> None:
        self.config = config
        self._read, self._check, self._restart = read, check, restart

    def __call__(self) -> None:
        """Take the settings over as a whole, or not at all; the log says what changed, or why not."""
        try:
            new = self._read()
            changes = changes_of(self.config, new)
            if fixed := [key for key in changes if key in _FIXED]:
                raise ConfigError(
                    f"{', '.join(fixed)} cannot change while the node runs: restart it for that"
                )
            if changes:
                self._check(new)
        except (SgsegError, OSError, ValueError) as error:  # a file that cannot be read, or is no text
            log.error("not_reloaded", detail=f"{error}; the settings of before stay in use")
            return
        names = tuple(
            name
            for name in ("receive", "work")
            if any(name in _FOR.get(key.partition(".")[0], ()) for key in changes)
        )
        for key, (old, now) in changes.items():
            values = {} if key in _UNTOLD else {"before": old, "after": now}
            log.info("setting_changed", key=key, **values)
        log.info("reloaded", changed=len(changes), restarted=list(names))
        self.config = new
        if names:
            self._restart(new, names)


def changes_of(before: Config, after: Config) -> dict[str, tuple[Any, Any]]:
    """Give what differs, by "section.key" or by the name of a list of tables, with both values."""
    return dict(_changes(before.model_dump(mode="json"), after.model_dump(mode="json")))


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for section, values in after.items():
        if not isinstance(values, dict):
            if before[section] != values:
                yield section, (before[section], values)
            continue
        for key, value in values.items():
            if before[section][key] != value:
                yield f"{section}.{key}", (before[section][key], value)
