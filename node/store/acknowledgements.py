"""The jobs that a person has looked at, so that monitoring need not report them again: an empty file for each job."""

from pathlib import Path

from node.store.fsync import storage, sync
from node.store.own_files import make_own


class Acknowledged:
    """
    The jobs that somebody has looked at; durable. Time and user are those of the files.

    Args:
        store: the store's folder.
    """

    def __init__(self, store: Path) -> None:
        self._folder = store / "acknowledged"

    def __contains__(self, job: str) -> bool:
        with storage(self._folder):
            return (self._folder / job).exists()

    def add(self, job: str) -> None:
        """
        Remember that somebody has looked at *job*.

        Raises:
            StorageUnavailable: disk full or read-only.
        """
        with storage(self._folder):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            make_own(self._folder / job)
            sync(self._folder)

    def discard(self, job: str) -> None:
        """
        Forget *job*, because it starts again or is deleted. Durable: somebody must look at what comes of it later.

        Raises:
            StorageUnavailable: read-only.
        """
        with storage(self._folder):
            if job in self:
                (self._folder / job).unlink(missing_ok=True)
                sync(self._folder)
