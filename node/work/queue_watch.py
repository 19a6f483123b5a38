"""The worker's eye on the queue's file: DBOS goes on with a deleted one, and repeats what a damaged one fails."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from node.store.queue_file import identity_of, why_damaged
from sgseg_dicom.errors import SgsegError

log = structlog.get_logger(__name__)

_SECONDS = 2.0
_WHOLE_FILE_SECONDS = 30.0
_SHARE = 200
"""To read the whole file takes at most one part in so many of this process's time."""


class QueueLost(SgsegError):
    """The queue's file was deleted, replaced or damaged; the next start rebuilds it from the store."""


class QueueWatch:
    """
    Looks every two seconds whether the queue's file is still there and sound, and every half a minute at all of it.

    Args:
        folder: the store's; the queue in it has been opened.
        on_lost: called once.
    """

    def __init__(self, folder: Path, *, on_lost: Callable[[], object]) -> None:
        self.why = ""
        """What happened; "" while the file is sound."""
        self._folder = folder
        self._on_lost = on_lost
        self._identity = identity_of(folder)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        self._thread.join()

    def _look(self) -> None:
        pause, whole_at = _WHOLE_FILE_SECONDS, time.monotonic() + _WHOLE_FILE_SECONDS
        while not self._stopped.wait(_SECONDS):
            began = time.monotonic()
            thorough = began >= whole_at
            self.why = self._found(thorough=thorough)
            if self.why:
                log.error("queue_lost", detail=f"{self.why}; it is rebuilt from the store, nothing is lost")
                self._on_lost()
                return
            if thorough:
                pause = max(_WHOLE_FILE_SECONDS, _SHARE * (time.monotonic() - began))
                whole_at = time.monotonic() + pause

    def _found(self, *, thorough: bool) -> str:
        identity = identity_of(self._folder)
        if identity is None:
            return "the queue's file was deleted"
        if identity != self._identity:
            return "the queue's file was replaced"
        return why_damaged(self._folder, thorough=thorough, in_use=True)
