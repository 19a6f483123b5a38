"""
The images, durable: bytes -> temporary file -> fsync -> rename. What a method has returned from survives a crash.

    <folder>/incoming/                    temporary files of the receiver; deleted when it starts
    <folder>/instances/ab/<key>.dcm       images as they were received; the key is a hash of the SOP Instance UID
    <folder>/quarantine/                  what a person must look at (node.store.quarantine)
    <folder>/results/<job>/               the results of a job (node.store.result_folder)
    <folder>/acknowledged/<job>           a person has looked at it (node.store.acknowledgements)
    <folder>/queue.sqlite                 the durable queue (node.work.queue); queue.lock guards its creation
    <folder>/worker.notices               a pipe: an image was queued (node.work.notices)
    <folder>/compiled/                    the model as it was compiled for this processor; may be deleted
    <folder>/model.loaded                 what runs the model (node.service.loaded_model)
    <folder>/counts.sqlite                what happened, counted since the store began (node.watch.counts)
    <folder>/receiver.json, worker.json   what receiver and worker tell of themselves
    <folder>/receive.lock, work.lock      one receiver and one worker
    <folder>/jobs.lock                    an image and its job are added together, and removed together
"""

import fcntl
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info

from node.jobs import Job, instance_key, job_id
from node.private_files import require_own, require_private_folder
from node.store.acknowledgements import Acknowledged
from node.store.content_digest import content_digest
from node.store.file_lock import lock as take
from node.store.fsync import storage, sync
from node.store.own_files import locked
from node.store.quarantine import Quarantine
from node.store.result_folder import ResultFolder
from node.store.same_content import same_content
from sgseg_dicom.config import Config
from sgseg_dicom.errors import InvalidDataset, StorageUnavailable

_OTHER = ""
_PROBE_BYTES = 1 << 16
_LARGE_IMAGE_BYTES = 32 << 20
"""A radiograph of 4,000 x 4,000 pixels of 16 bits, as it comes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredImage:
    """
    What became of one received file.

    Attributes:
        id: key of the job (SOP Instance UID, content, and whether it conflicts with another image).
        file: relative to the store's folder.
        conflicting: True where the file went to the quarantine.
        new: False where the same content was stored before.
    """

    id: str
    file: str
    conflicting: bool
    new: bool


class Store:
    """
    Images, results and quarantine in one folder on one local file system.

    Args:
        folder: the store's folder.
        min_free_bytes: below this, no image is taken.
    """

    def __init__(self, folder: Path, *, min_free_bytes: int = 0) -> None:
        self.folder = folder
        self.incoming = folder / "incoming"
        self.results = ResultFolder(folder / "results")
        self.quarantine = Quarantine(folder / "quarantine", Acknowledged(folder))
        self._min_free_bytes = min_free_bytes
        self._naming = threading.Lock()

    def prepare(self) -> None:
        """
        Make the folders; only the node's own user can read them.

        The store's own folder may hold files of others, and may stay readable. Nobody else may write into it.

        Raises:
            StorageUnavailable: the folder cannot be made or written, or others can write there.
        """
        with storage(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            require_private_folder(self.folder)
            for part in ("acknowledged", "incoming", "instances", "quarantine", "results"):
                (self.folder / part).mkdir(mode=0o700, exist_ok=True)
                require_own(self.folder / part)
                (self.folder / part).chmod(0o700)
            for shard in range(256):
                (self.folder / "instances" / f"{shard:02x}").mkdir(mode=0o700, exist_ok=True)
            sync(self.folder / "instances")
            sync(self.folder)

    @contextmanager
    def claim(self, role: str) -> Iterator[None]:
        """
        Be the only *role* ("receive" or "work") of this store. The claim ends with the process.

        Raises:
            StorageUnavailable: another process has the role.
        """
        with ExitStack() as stack:
            try:
                with storage(self.folder / f"{role}.lock"):
                    stack.enter_context(locked(self.folder / f"{role}.lock", fcntl.LOCK_EX | fcntl.LOCK_NB))
            except StorageUnavailable as error:
                if not isinstance(error.__cause__, BlockingIOError):
                    raise
                raise StorageUnavailable(
                    f"another process already does '{role}' on {self.folder}; stop it, or set [store] folder"
                ) from error
            yield

    @contextmanager
    def adding(self) -> Iterator[None]:
        """
        Hold this while an image is stored and queued. Several may do so at once, but none during `changing`.

        Raises:
            StorageUnavailable: others are `changing` for longer than the caller's `node.time_limit`.
        """
        with self._locked(fcntl.LOCK_SH):
            yield

    @contextmanager
    def changing(self) -> Iterator[None]:
        """
        Hold this while a job is removed or repeated. Only one process can hold it, and none is `adding` then.

        Without it, an image that arrives again while its job is being removed could be acknowledged to the sender and
        then deleted, or could stay without a job.

        Raises:
            StorageUnavailable: others are `adding` or `changing` for longer than the caller's `node.time_limit`.
        """
        with self._locked(fcntl.LOCK_EX):
            yield

    @contextmanager
    def _locked(self, kind: int) -> Iterator[None]:
        with ExitStack() as stack:
            with storage(self.folder / "jobs.lock"):
                stack.enter_context(locked(self.folder / "jobs.lock", kind, take=take))
            yield

    def sweep_incoming(self, *, older_than_seconds: float = 0.0) -> int:
        """
        Delete the files that aborted transfers left, and count them.

        Raises:
            StorageUnavailable: read-only.
        """
        limit = time.time() - older_than_seconds
        with storage(self.folder):
            leftover = [path for path in self.incoming.iterdir() if _changed_at(path) <= limit]
            for path in leftover:
                path.unlink(missing_ok=True)
        return len(leftover)

    def sweep_unfinished(self) -> int:
        """
        Delete incomplete results that a crash left, and count them. Results that were being replaced come back.

        Raises:
            StorageUnavailable: read-only.
        """
        return self.results.sweep() + self.quarantine.sweep()

    def free_bytes(self) -> int:
        """Give the space that ordinary users may still fill, in bytes."""
        return shutil.disk_usage(self.folder).free

    def require_space(self) -> None:
        """
        Refuse more work before the disk is full.

        Raises:
            StorageUnavailable: less space is free than [store] min_free_megabytes.
        """
        with storage(self.folder):
            free = self.free_bytes()
        if free < self._min_free_bytes:
            raise StorageUnavailable(
                f"{free >> 20} MB are free in {self.folder}, {self._min_free_bytes >> 20} MB must stay free; "
                "make room, or lower [store] min_free_megabytes"
            )

    def require_writable(self) -> None:
        """
        Try to write where images and results go. Nothing stays there.

        Raises:
            StorageUnavailable: full or read-only, or the folder of another user.
        """
        for folder in (self.folder, self.incoming, self.results.path):
            with storage(folder), TemporaryFile(dir=folder) as file:
                file.write(bytes(_PROBE_BYTES))
        with storage(self.folder):
            free = self.free_bytes()
        if free < _LARGE_IMAGE_BYTES:
            raise StorageUnavailable(
                f"{free / 1e6:.2f} MB are free in {self.folder}: no large image fits; make room"
            )

    def require_unlocked(self) -> None:
        """
        Wait until an image could be added. Nothing is.

        Raises:
            StorageUnavailable: others are `changing` for longer than the caller's `node.time_limit`.
        """
        with self.adding():
            pass

    def put(self, temporary: Path, sop_instance_uid: str) -> StoredImage:
        """
        Store the DICOM file *temporary* (in `incoming`) for good; durable when this returns.

        The same content is stored once. Other content under the same SOP Instance UID goes to the quarantine: neither
        file replaces the other.

        Raises:
            InvalidDataset: not a DICOM file.
            StorageUnavailable: disk full, less free than [store] min_free_megabytes, or read-only.
        """
        self.require_space()
        with storage(self.folder):
            sync(temporary)
            digest = content_digest(temporary)
            key = instance_key(sop_instance_uid)
            target = self.folder / "instances" / key[:2] / f"{key}.dcm"
            known = _digest_of(
                target, temporary, digest
            )  # outside the lock: no sender waits for another's comparison
            with self._naming:
                if known is None and target.exists():  # it came in the meantime
                    known = _digest_of(target, temporary, digest)
                conflicting = known == _OTHER
                digest = digest if conflicting else known or digest
                identifier = job_id(sop_instance_uid, digest, conflicting=conflicting)
                if conflicting:
                    target = self.quarantine.image_path(identifier)
                new = not target.exists()
                if new:
                    temporary.rename(target)
                else:
                    temporary.unlink()
            # Also when the image came again: the rename of the first time may not have reached the disk yet.
            sync(target.parent)
        return StoredImage(
            id=identifier,
            file=str(target.relative_to(self.folder)),
            conflicting=conflicting,
            new=new,
        )

    def images(self) -> set[str]:
        """
        Give the files of all images that are not quarantined, relative to the store's folder.

        Raises:
            StorageUnavailable: unreadable.
        """
        with storage(self.folder):
            return {str(path.relative_to(self.folder)) for path in self.folder.glob("instances/*/*.dcm")}

    def quarantined_images(self) -> set[str]:
        """
        Give the files of all images that have the UID of another one, relative to the store's folder.

        Raises:
            StorageUnavailable: unreadable.
        """
        with storage(self.folder):
            return {str(path.relative_to(self.folder)) for path in self.quarantine.path.glob("*.dcm")}

    def job_of(self, image: str) -> Job | None:
        """
        Make the job for a stored image that has none, from the image's own header.

        None where the file is gone, is no DICOM file, or belongs under another name. Who sent it is not known.

        Raises:
            StorageUnavailable: unreadable.
        """
        path = self.folder / image
        with storage(self.folder):
            if not path.is_file():
                return None
            try:
                digest = content_digest(path)
                uid = str(read_file_meta_info(path).get("MediaStorageSOPInstanceUID", ""))
            except (InvalidDataset, InvalidDicomError):
                return None
            conflicting = path.parent == self.quarantine.path
            job = job_id(uid, digest, conflicting=conflicting)
            if path.stem != (job if conflicting else instance_key(uid)):
                return None
            return Job(
                id=job,
                sop_instance_uid=uid,
                file=image,
                conflicting=conflicting,
                peer="",
                received_at=path.stat().st_mtime,
            )

    def remove(self, job_id: str, file: str) -> None:
        """
        Delete an image and its results for good; durable when this returns.

        Raises:
            StorageUnavailable: read-only.
        """
        self.results.remove(job_id)
        self.quarantine.remove_results(job_id)
        with storage(self.folder):
            image = self.folder / file
            image.unlink(missing_ok=True)
            sync(image.parent)


def _digest_of(stored: Path, received: Path, digest: str) -> str | None:
    """
    Give the digest of what is stored where *received*, whose digest is given, is the same.

    None where nothing is stored, _OTHER where it is something else.
    """
    if not stored.exists():
        return None
    known = content_digest(stored)
    return known if known == digest or same_content(stored, received) else _OTHER


def open_store(config: Config) -> Store:
    """
    Open the store that *config* names, and make it where it does not exist.

    Raises:
        StorageUnavailable: the folder cannot be made or written.
    """
    store = Store(config.store.folder, min_free_bytes=config.store.min_free_megabytes << 20)
    store.prepare()
    return store


def _changed_at(path: Path) -> float:
    """Give the time of the last change; a file that has just disappeared counts as new."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
