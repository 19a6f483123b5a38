"""The edge of the software: whatever a step of a job raises becomes a value here."""

from collections.abc import Callable
from threading import Lock
from typing import TypeVar

import structlog

from node.failures import Defect
from node.logs import places_of
from sgseg_dicom.errors import SgsegError

log = structlog.get_logger(__name__)
T = TypeVar("T")


class Edge:
    """Runs steps and counts those that run; safe to call from many threads."""

    def __init__(self) -> None:
        self._running = 0
        self._counting = Lock()

    @property
    def busy(self) -> bool:
        """True while a step runs."""
        return self._running > 0

    def attempt(self, job_id: str, action: Callable[[], T]) -> T | SgsegError:
        """Run a step. This is the one place where any exception becomes a value."""
        self._count(1)
        try:
            return action()
        except SgsegError as error:
            return error
        except Exception as error:  # noqa: BLE001 - a defect of ours must not stop the queue
            log.error("defect", job=job_id, error=type(error).__name__, where=places_of(error))
            return Defect(type(error).__name__)
        finally:
            self._count(-1)

    def _count(self, more: int) -> None:
        with self._counting:
            self._running += more
