"""
Requests for Storage Commitment and the reports on them: small files, by which worker and receiver find each other.

    commitments/<job>_<destination>.state                   how often the objects were sent, and whether once more
    commitments/<job>_<destination>_<transaction>.asked     the destination was asked whether it keeps them
    commitments/<job>_<destination>_<transaction>.report    what it said

<destination> is the first part of a hash of its name, <transaction> is a Transaction UID (PS3.4 J.3.2.1.1).
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydicom import Dataset

from node.store.fsync import storage, sync, unfinished

_STATE, _ASKED, _REPORT = ".state", ".asked", ".report"
_UID = re.compile(r"[0-9.]{1,64}")
_PROCESSING_FAILURE = 0x0110


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """
    What a destination said of one request.

    Attributes:
        committed: SOP Instance UIDs for which it has taken the responsibility.
        failed: SOP Instance UID -> Failure Reason (PS3.3 C.14.1.1).
    """

    committed: tuple[str, ...] = ()
    failed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """
    How far a delivery is.

    Attributes:
        sent: how often its objects were sent.
        again: True where they are to be sent once more.
    """

    sent: int = 0
    again: bool = False


class Commitments:
    """
    Keeps requests and reports until the delivery has ended.

    Args:
        path: the folder `commitments` of the store. It is made when it is needed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def state(self, job_id: str, destination: str) -> State:
        """Give how far a delivery is."""
        path = self._path / f"{_delivery(job_id, destination)}{_STATE}"
        return State(**json.loads(path.read_bytes())) if path.is_file() else State()

    def note(self, job_id: str, destination: str, state: State) -> None:
        """
        Note how far a delivery is; durable when this returns.

        Raises:
            StorageUnavailable: disk full or read-only.
        """
        self._write(f"{_delivery(job_id, destination)}{_STATE}", asdict(state))

    def ask(self, transaction: str, job_id: str, destination: str) -> None:
        """
        Note a request before it is made; durable when this returns.

        Raises:
            StorageUnavailable: disk full or read-only.
        """
        self._write(f"{_delivery(job_id, destination)}_{transaction}{_ASKED}", {})

    def report(self, transaction: str, report: Report) -> bool:
        """
        Note what a destination said; durable when this returns. False: nobody waits for it.

        Raises:
            StorageUnavailable: disk full or read-only.
        """
        if _UID.fullmatch(transaction):
            for asked in self._path.glob(f"*_{transaction}{_ASKED}"):
                self._write(_report_on(asked).name, asdict(report))
                return True
        return False

    def reports(self, job_id: str, destination: str) -> list[Report]:
        """Give what a destination said of the objects of a job."""
        given = [json.loads(path.read_bytes()) for path in self._files(job_id, destination, _REPORT)]
        return [Report(committed=tuple(one["committed"]), failed=one["failed"]) for one in given]

    def awaited(self, job_id: str, destination: str) -> list[Path]:
        """Give the files one of which is there as soon as the destination has said something."""
        return [_report_on(path) for path in self._files(job_id, destination, _ASKED)]

    def withdraw(self, job_id: str, destination: str, transaction: str = "*") -> None:
        """
        Delete one request of a delivery, or all, with the reports.

        Raises:
            StorageUnavailable: read-only.
        """
        with storage(self._path):
            for ending in (_REPORT, _ASKED):
                for path in self._files(job_id, destination, ending, transaction):
                    path.unlink(missing_ok=True)

    def forget(self, job_id: str, destination: str) -> None:
        """
        Delete all of a delivery.

        Raises:
            StorageUnavailable: read-only.
        """
        self.withdraw(job_id, destination)
        with storage(self._path):
            (self._path / f"{_delivery(job_id, destination)}{_STATE}").unlink(missing_ok=True)

    def _files(self, job_id: str, destination: str, ending: str, transaction: str = "*") -> list[Path]:
        return list(self._path.glob(f"{_delivery(job_id, destination)}_{transaction}{ending}"))

    def _write(self, name: str, content: Mapping[str, object]) -> None:
        path = self._path / name
        with storage(self._path):
            self._path.mkdir(mode=0o700, exist_ok=True)
            unfinished(path).touch(mode=0o600)
            unfinished(path).write_text(json.dumps(content))
            sync(unfinished(path))
            unfinished(path).rename(path)
            sync(self._path)


def report_of(information: Dataset) -> Report:
    """Read the Event Information of an N-EVENT-REPORT (PS3.4 table J.3-2)."""
    failed = {
        str(item.get("ReferencedSOPInstanceUID", "")): int(item.get("FailureReason", _PROCESSING_FAILURE))
        for item in information.get("FailedSOPSequence") or ()
    }
    committed = tuple(
        str(item.get("ReferencedSOPInstanceUID", ""))
        for item in information.get("ReferencedSOPSequence") or ()
    )
    return Report(committed=committed, failed=failed)


def _delivery(job_id: str, destination: str) -> str:
    return f"{job_id}_{hashlib.sha256(destination.encode()).hexdigest()[:16]}"


def _report_on(asked: Path) -> Path:
    return asked.with_name(asked.name.removesuffix(_ASKED) + _REPORT)
