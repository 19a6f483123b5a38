"""What a person has looked at, so that monitoring may be quiet about it: an empty file for each job."""

from pathlib import Path

from node.store.fsync import storage, sync


class Acknowledged:
    """
    The jobs that somebody has seen; durable. When, and by which user, the files themselves tell.

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
        Remember that *job* was looked at.

        Raises:
            StorageUnavailable: disk full or read-only.
        """
        with storage(self._folder):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            (self._folder / job).touch(mode=0o600)
            sync(self._folder)

    def discard(self, job: str) -> None:
        """
        Forget it: the job begins anew, or is gone. Durable: what comes of the job later must be seen.

        Raises:
            StorageUnavailable: read-only.
        """
        with storage(self._folder):
            if job in self:
                (self._folder / job).unlink(missing_ok=True)
                sync(self._folder)
