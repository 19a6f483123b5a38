"""The jobs in the queue, also after the queue's file was deleted, replaced or damaged while this process runs."""

import threading
from pathlib import Path

import structlog

from node.jobs import Entry, Job
from node.store.queue_file import Identity, identity_of, why_damaged
from node.work.queue import Jobs, prepare

log = structlog.get_logger(__name__)


class LastingJobs:
    """
    Opens the queue again where its file is no longer the one that was opened; safe to call from many threads.

    Args:
        folder: the store's.

    Raises:
        StorageUnavailable: the database cannot be made or opened.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opening = threading.Lock()
        self._jobs, self._identity = self._open()
        self._former: list[Jobs] = []

    def current(self) -> Jobs:
        """
        Give the jobs of the file that the store has now.

        Raises:
            StorageUnavailable: the database cannot be made or opened.
        """
        return self._current()[0]

    def enqueue(self, job: Job) -> bool:
        """
        Queue *job*; committed, in the file that the store has, when this returns. False: it is already known.

        Raises:
            StorageUnavailable: disk full, database locked or damaged.
        """
        while True:
            jobs, identity = self._current()
            is_new = jobs.enqueue(job)
            if identity_of(self._folder) == identity:
                return is_new

    def get(self, job_id: str) -> Entry | None:
        """Give one job; None where it is not known."""
        return self.current().get(job_id)

    def again(self, job: Job) -> None:
        """Queue a settled job once more (`Jobs.again`)."""
        self.current().again(job)

    def look_after(self) -> None:
        """
        Notice that the file was deleted, replaced or damaged, and open one that can be used.

        Raises:
            StorageUnavailable: the database cannot be made or opened.
        """
        if why_damaged(self._folder, in_use=True):
            prepare(self._folder)
        self.current()

    def close(self) -> None:
        """Close the database."""
        for jobs in (*self._former, self._jobs):
            jobs.close()

    def _current(self) -> tuple[Jobs, Identity | None]:
        with self._opening:
            if identity_of(self._folder) != self._identity:
                self._former.append(self._jobs)  # another thread may still use it
                self._jobs, self._identity = self._open()
                log.warning("queue_reopened", detail="its file was deleted, replaced or damaged")
            return self._jobs, self._identity

    def _open(self) -> tuple[Jobs, Identity | None]:
        file = prepare(self._folder)
        identity = identity_of(self._folder)
        return Jobs(file), identity
