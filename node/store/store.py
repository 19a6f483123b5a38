"""
Bytes -> temporary -> fsync -> rename: what this module has returned from survives a crash.

    <folder>/incoming/                    temporaries of the receiver, swept at its start
    <folder>/instances/ab/<key>.dcm       images as received; the key is a hash of the SOP Instance UID
    <folder>/quarantine/<job>.dcm         other content under a SOP Instance UID that is already kept
    <folder>/quarantine/<job>/            results that failed our own check, and why.json; never sent
    <folder>/results/<job>/seg.dcm ...    results, kept before their first delivery
    <folder>/acknowledged/<job>           somebody has looked at it (node.store.acknowledgements)
    <folder>/queue.sqlite                 the durable queue (node.work.queue); queue.lock while it is made
    <folder>/receive.lock, work.lock      one receiver and one worker
    <folder>/jobs.lock                    an image and its job come together, and go together
"""

import fcntl
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info

from node.jobs import Job, instance_key, job_id
from node.store.acknowledgements import Acknowledged
from node.store.content_digest import content_digest
from node.store.fsync import storage, sync, write_folder
from node.store.same_content import same_content
from sgseg_dicom.errors import InvalidDataset, StorageUnavailable

QUEUE_FILE = "queue.sqlite"

_UNFINISHED = "."
"""First character of the folder of results that are being written."""
_FORMER = ".former-"
"""Begins the name of the folder of results that are being replaced."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """
    What became of one received file.

    Attributes:
        id: key of the job (SOP Instance UID, content, and whether it conflicts with another one).
        file: relative to the store's folder.
        conflicting: True where it went to the quarantine.
        new: False where the same bytes were already kept.
    """

    id: str
    file: str
    conflicting: bool
    new: bool


class Store:
    """Images, results and quarantine in one folder on one local file system."""

    def __init__(self, folder: Path, *, min_free_bytes: int = 0) -> None:
        self.folder = folder
        self.incoming = folder / "incoming"
        self.results = folder / "results"
        self.quarantine = folder / "quarantine"
        self._min_free_bytes = min_free_bytes
        self._naming = threading.Lock()
        self._seen = Acknowledged(folder)

    def prepare(self) -> None:
        """
        Make the folders, for our eyes only.

        The store's own folder keeps its mode where it exists: it may hold more than ours.

        Raises:
            StorageUnavailable: the folder cannot be made or written.
        """
        with storage(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for part in ("acknowledged", "incoming", "instances", "quarantine", "results"):
                (self.folder / part).mkdir(mode=0o700, exist_ok=True)
                (self.folder / part).chmod(0o700)
            for shard in range(256):
                (self.folder / "instances" / f"{shard:02x}").mkdir(mode=0o700, exist_ok=True)
            sync(self.folder / "instances")
            sync(self.folder)

    @contextmanager
    def claim(self, role: str) -> Iterator[None]:
        """
        Be the only *role* ("receive" or "work") of this store; the dead lose their claim.

        Raises:
            StorageUnavailable: another process has the role.
        """
        with open(self.folder / f"{role}.lock", "w", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StorageUnavailable(
                    f"another process already does '{role}' on {self.folder}; stop it, or set [store] folder"
                ) from error
            yield

    @contextmanager
    def adding(self) -> Iterator[None]:
        """Keep and queue an image; several may at once, none while a job is `changing`."""
        with self._locked(fcntl.LOCK_SH):
            yield

    @contextmanager
    def changing(self) -> Iterator[None]:
        """
        Forget or repeat a job, alone among all processes.

        Otherwise an image that comes again while it is forgotten could be promised and deleted, or be left
        without a job.
        """
        with self._locked(fcntl.LOCK_EX):
            yield

    @contextmanager
    def _locked(self, kind: int) -> Iterator[None]:
        with storage(self.folder):
            lock = (self.folder / "jobs.lock").open("w", encoding="ascii")
        with lock:
            fcntl.flock(lock, kind)
            yield

    def sweep_incoming(self, *, older_than_seconds: float = 0.0) -> int:
        """
        Delete what aborted transfers left; give their number.

        Raises:
            StorageUnavailable: read-only.
        """
        limit = time.time() - older_than_seconds
        with storage(self.folder):
            abandoned = [path for path in self.incoming.iterdir() if _changed_at(path) <= limit]
            for path in abandoned:
                path.unlink(missing_ok=True)
        return len(abandoned)

    def sweep_results(self) -> int:
        """
        Delete results that a crash left half-written; give their number. Those left half-replaced are put back.

        Raises:
            StorageUnavailable: read-only.
        """
        with storage(self.folder):
            for former in self.results.glob(f"{_FORMER}*"):
                if not (place := self.results / former.name.removeprefix(_FORMER)).exists():
                    former.rename(place)
            abandoned = [
                path
                for folder in (self.results, self.quarantine)
                for path in folder.iterdir()
                if path.name.startswith(_UNFINISHED)
            ]
            for path in abandoned:
                shutil.rmtree(path)
        return len(abandoned)

    def free_bytes(self) -> int:
        """Give the free space for ordinary users."""
        return shutil.disk_usage(self.folder).free

    def require_space(self) -> None:
        """
        Refuse work before the disk is full.

        Raises:
            StorageUnavailable: less is free than [store] min_free_megabytes.
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
        Try to write where images and results go; nothing is left there.

        Raises:
            StorageUnavailable: read-only, or another user's.
        """
        for folder in (self.folder, self.incoming, self.results):
            with storage(folder), TemporaryFile(dir=folder):
                pass

    def put(self, temporary: Path, sop_instance_uid: str) -> Kept:
        """
        Keep the DICOM file *temporary* (in `incoming`) for good; durable when this returns.

        The same content again is not kept twice. Other content under the same SOP Instance UID goes to the
        quarantine: neither file replaces the other.

        Raises:
            InvalidDataset: not a DICOM file.
            StorageUnavailable: disk full, below the watermark, or read-only.
        """
        self.require_space()
        with storage(self.folder):
            sync(temporary)
            digest = content_digest(temporary)
            key = instance_key(sop_instance_uid)
            target = self.folder / "instances" / key[:2] / f"{key}.dcm"
            with self._naming:
                conflicting = target.exists() and content_digest(target) != digest
                if conflicting and same_content(target, temporary):
                    conflicting, digest = False, content_digest(target)
                identifier = job_id(sop_instance_uid, digest, conflicting=conflicting)
                if conflicting:
                    target = self.quarantine / f"{identifier}.dcm"
                new = not target.exists()
                if new:
                    temporary.rename(target)
                else:
                    temporary.unlink()
            # For a repeat too: the first one's rename may not have reached the disk yet.
            sync(target.parent)
        return Kept(
            id=identifier,
            file=str(target.relative_to(self.folder)),
            conflicting=conflicting,
            new=new,
        )

    def images(self) -> set[str]:
        """
        Give the files of all images, relative to the store's folder.

        Raises:
            StorageUnavailable: unreadable.
        """
        with storage(self.folder):
            return {str(path.relative_to(self.folder)) for path in self.folder.glob("instances/*/*.dcm")}

    def job_of(self, image: str) -> Job | None:
        """
        Give the job of an image without one, as its own header tells; None where it is gone, or another one's.

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
            if instance_key(uid) != path.stem:
                return None
            return Job(
                id=job_id(uid, digest),
                sop_instance_uid=uid,
                file=image,
                conflicting=False,
                peer="",
                received_at=path.stat().st_mtime,
            )

    def keep(self, job: str, files: Mapping[str, bytes]) -> None:
        """
        Keep the results of *job*, all or none, in the place of what was kept before; durable when this returns.

        What was kept goes when the new is on disk, and not before: a full disk or a crash leaves one or the other.

        Raises:
            StorageUnavailable: disk full or read-only.
        """
        unfinished, former = self.results / f"{_UNFINISHED}{job}", self.results / f"{_FORMER}{job}"
        with storage(self.folder):
            write_folder(unfinished, files)
            if self.kept(job) is not None:
                shutil.rmtree(former, ignore_errors=True)  # where it could not be deleted the last time
                (self.results / job).rename(former)
            unfinished.rename(self.results / job)
            sync(self.results)
            shutil.rmtree(former, ignore_errors=True)

    def mark(self, job: str, name: str) -> None:
        """
        Put an empty file to the results of *job*, if any are kept; durable when this returns.

        Raises:
            StorageUnavailable: disk full or read-only.
        """
        with storage(self.folder):
            if (folder := self.kept(job)) is not None:
                (folder / name).touch()
                sync(folder)

    def drop(self, job: str, name: str) -> None:
        """
        Delete one file of the results of *job*, if it is there.

        Raises:
            StorageUnavailable: read-only.
        """
        with storage(self.folder):
            (self.results / job / name).unlink(missing_ok=True)

    def set_aside(self, job: str, files: Mapping[str, bytes]) -> Path:
        """
        Put results that must not be sent into the quarantine, for a person to look at; give their folder.

        All or none; durable when this returns. Those of a later attempt take the place of earlier ones.

        Raises:
            StorageUnavailable: disk full or read-only.
        """
        folder, unfinished = self.quarantine / job, self.quarantine / f"{_UNFINISHED}{job}"
        with storage(self.folder):
            write_folder(unfinished, files)
            if folder.is_dir():
                shutil.rmtree(folder)
            unfinished.rename(folder)
            sync(self.quarantine)
        return folder

    def clear_aside(self, job: str) -> None:
        """
        Delete the results of *job* that were set aside, once it has good ones.

        Raises:
            StorageUnavailable: read-only.
        """
        with storage(self.folder):
            if (self.quarantine / job).is_dir():
                shutil.rmtree(self.quarantine / job)

    def aside(self) -> int:
        """
        Count the jobs whose results are set aside, and that nobody has acknowledged.

        Raises:
            StorageUnavailable: the folder cannot be read.
        """
        with storage(self.folder):
            folders = [path for path in self.quarantine.iterdir() if path.is_dir()]
        return sum(
            not folder.name.startswith(_UNFINISHED) and folder.name not in self._seen for folder in folders
        )

    def conflicts(self) -> int:
        """
        Count the images whose SOP Instance UID was taken by other content, and that nobody has acknowledged.

        Raises:
            StorageUnavailable: the folder cannot be read.
        """
        with storage(self.folder):
            return sum(path.stem not in self._seen for path in self.quarantine.glob("*.dcm"))

    def kept(self, job: str) -> Path | None:
        """Give the folder with the results of *job*; None where none are kept."""
        folder = self.results / job
        return folder if folder.is_dir() else None

    def remove(self, job: str, file: str) -> None:
        """
        Delete an image and its results for good.

        Raises:
            StorageUnavailable: read-only.
        """
        with storage(self.folder):
            for folder in (self.results / job, self.quarantine / job):
                if folder.is_dir():
                    shutil.rmtree(folder)
            (self.folder / file).unlink(missing_ok=True)


def _changed_at(path: Path) -> float:
    """Give the time of the last change; a file that has just gone is new."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
