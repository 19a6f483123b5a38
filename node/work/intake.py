"""Makes a workflow of each arrival, in the order in which they came, while there is room for one more in work."""

import threading
from collections.abc import Callable

import structlog

from node.jobs import Job
from node.work.notices import Notices
from node.work.queue import Jobs
from sgseg_dicom.errors import StorageUnavailable

log = structlog.get_logger(__name__)


class Intake:
    """
    Looks for arrivals when it gets a notice, and by itself after a pause.

    Args:
        jobs: the queue.
        notices: tell of arrivals, and of room for them.
        room: counts the images that may begin now.
        start: makes a workflow of a job; it raises StorageUnavailable where that cannot be written down.
        look_seconds: the pause, for notices that were lost.
    """

    def __init__(
        self,
        jobs: Jobs,
        notices: Notices,
        *,
        room: Callable[[], int],
        start: Callable[[Job], object],
        look_seconds: float,
    ) -> None:
        self._jobs, self._notices = jobs, notices
        self._room, self._start, self._look_seconds = room, start, look_seconds
        self._stopped = threading.Event()
        self._failing = False
        self._taken: list[str] = []
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)

    def launch(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def lives(self) -> bool:
        """False before it has begun, and after its end."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Take no arrival any more; this returns within a pause, or at once after a notice."""
        self._stopped.set()

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._take()
                self._failing = False
            except StorageUnavailable as error:
                if not self._failing:
                    log.error("not_taken_up", detail=f"{error}; it is tried again, and images wait")
                self._failing = True
            self._notices.wait(self._look_seconds)

    def _take(self) -> None:
        """Start what there is room for. What is a workflow now is no arrival any more, also before its row goes."""
        if self._taken:  # the last time its row could not be deleted
            self._delete_taken()
        room = self._room()
        if room <= 0:
            return
        try:
            for job in self._jobs.arrived(room):
                self._start(job)
                self._taken.append(job.id)
        finally:
            if self._taken:
                self._delete_taken()

    def _delete_taken(self) -> None:
        self._jobs.taken(self._taken)
        self._taken.clear()
