"""
The results of each job, in a folder of its own. This is the only module that knows the names of these files.

    results/<job>/seg.dcm ...     the DICOM objects, byte for byte as they are sent
    results/<job>/answer.dcm      instead of them: the report that the image was not judged
    results/<job>/outcome.json    `node.jobs.Outcome`: how the image ended, and which destination gets which file
    results/<job>/anew            an empty file: the next attempt judges the image again
    results/.<job>                a folder that is being written
    results/.former-<job>         a folder that is being replaced
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from pydicom.filereader import read_file_meta_info

from node.jobs import Outcome
from node.store.encoded_object import EncodedObject
from node.store.fsync import delete_folder, delete_unfinished, storage, sync, unfinished, write_folder
from node.store.own_files import make_own
from sgseg_dicom.result_kinds import NOT_JUDGED

_OUTCOME = "outcome.json"
_ANEW = "anew"
_FORMER = ".former-"


class ResultFolder:
    """
    Keeps the results of jobs.

    Args:
        path: the folder `results` of the store.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def folder_of(self, job_id: str) -> Path | None:
        """Give the folder with the results of a job; None where the job has no results."""
        folder = self.path / job_id
        return folder if folder.is_dir() else None

    def outcome_of(self, job_id: str) -> Outcome | None:
        """Give the outcome that was stored with the results of a job; None where there is none."""
        folder = self.folder_of(job_id)
        if folder is None or not (folder / _OUTCOME).is_file():
            return None
        return Outcome.from_dict(json.loads((folder / _OUTCOME).read_bytes()))

    def reusable_outcome(self, job_id: str) -> Outcome | None:
        """Give the outcome of results that can be sent as they are; None where the image must be judged first."""
        folder, outcome = self.folder_of(job_id), self.outcome_of(job_id)
        if folder is None or outcome is None or not outcome.ending.judged:
            return None
        return None if (folder / _ANEW).is_file() else outcome

    def has_judgement(self, job_id: str) -> bool:
        """Report whether results of a judged image are stored. They were sent, or they will be sent."""
        outcome = self.outcome_of(job_id)
        return outcome is not None and outcome.ending.judged

    def summary_of(self, job_id: str) -> str:
        """Give the summary of the stored results (`Outcome.answer`); "" where there is none."""
        outcome = self.outcome_of(job_id)
        return "" if outcome is None else outcome.answer

    def files_for(self, job_id: str, destination: str) -> list[Path] | None:
        """Give the files that a destination gets, in the order of sending; None where the job has no results."""
        folder, outcome = self.folder_of(job_id), self.outcome_of(job_id)
        if folder is None or outcome is None:
            return None
        return [folder / name for name in outcome.sends[destination]]

    def keep(self, job_id: str, outcome: Outcome, objects: Mapping[str, EncodedObject]) -> None:
        """
        Store the objects of a job, by file name, together with its outcome; durable when this returns.

        An object that is stored already under the same name and the same SOP Instance UID keeps its bytes: other
        bytes must never be sent under one UID.

        Raises:
            StorageUnavailable: disk full or read-only.
        """
        files = {name: self._content(job_id, name, one) for name, one in objects.items()}
        self.write(job_id, {**files, _OUTCOME: json.dumps(asdict(outcome)).encode()})

    def keep_not_judged(self, job_id: str, outcome: Outcome, report: EncodedObject) -> Outcome:
        """
        Store the report that an image was not judged; durable when this returns.

        Gives the outcome as it was stored: with the file, which every destination of *outcome* gets.

        Raises:
            StorageUnavailable: disk full or read-only.
        """
        name = NOT_JUDGED.file_name
        sends: dict[str, tuple[str, ...]] = dict.fromkeys(outcome.destinations, (name,))
        outcome = replace(outcome, files=(name,), sends=sends)
        self.keep(job_id, outcome, {name: report})
        return outcome

    def write(self, job_id: str, files: Mapping[str, bytes]) -> None:
        """
        Write all files of a job or none, and replace those of an earlier time; durable when this returns.

        The earlier files are deleted when the new ones are on disk, and not before. A full disk or a crash therefore
        leaves one set or the other.

        Raises:
            StorageUnavailable: disk full or read-only.
        """
        folder, former = self.path / job_id, self.path / f"{_FORMER}{job_id}"
        with storage(self.path):
            write_folder(unfinished(folder), files)
            if folder.is_dir():
                shutil.rmtree(former, ignore_errors=True)  # where it could not be deleted the last time
                folder.rename(former)
            unfinished(folder).rename(folder)
            sync(self.path)
            shutil.rmtree(former, ignore_errors=True)

    def request_new_judgement(self, job_id: str) -> None:
        """
        Let the next attempt judge the image again, with the settings of that time. The stored objects stay.

        Nothing happens where the job has no results: it will be judged anyway.

        Raises:
            StorageUnavailable: disk full or read-only.
        """
        with storage(self.path):
            if (folder := self.folder_of(job_id)) is not None:
                make_own(folder / _ANEW)
                sync(folder)

    def withdraw_new_judgement(self, job_id: str) -> None:
        """
        Take `request_new_judgement` back, if it was called; durable when this returns.

        Raises:
            StorageUnavailable: read-only.
        """
        with storage(self.path):
            mark = self.path / job_id / _ANEW
            if mark.exists():
                mark.unlink(missing_ok=True)
                sync(mark.parent)

    def remove(self, job_id: str) -> None:
        """
        Delete the results of a job for good; durable when this returns.

        Raises:
            StorageUnavailable: read-only.
        """
        with storage(self.path):
            if (folder := self.folder_of(job_id)) is not None:
                delete_folder(folder)

    def sweep(self) -> int:
        """
        Delete incomplete results that a crash left, and count them. Results that were being replaced come back.

        Raises:
            StorageUnavailable: read-only.
        """
        with storage(self.path):
            for former in self.path.glob(f"{_FORMER}*"):
                if not (folder := self.path / former.name.removeprefix(_FORMER)).exists():
                    former.rename(folder)
            return delete_unfinished(self.path)

    def _content(self, job_id: str, name: str, one: EncodedObject) -> bytes:
        """Give the stored bytes of an object where it is stored already, else the new ones."""
        path = self.path / job_id / name
        if path.is_file() and read_file_meta_info(path).MediaStorageSOPInstanceUID == one.sop_instance_uid:
            return path.read_bytes()
        return one.content
