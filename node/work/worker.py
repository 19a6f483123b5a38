"""What the worker does with one job. The edge: nothing leaves this module as an exception."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol, TypeVar

import structlog
from pydicom import Dataset
from pydicom.filereader import read_file_meta_info

from node.delivery.availability import Peers
from node.jobs import Delivery, Ending, Job, Outcome, Sent
from node.logs import places_of
from node.store.store import Store
from node.work.outcomes import (
    Defect,
    answer_of,
    beside_results,
    log_delivery,
    log_outcome,
    outcome_of,
    require_processable,
    require_same_answer,
    state_of,
    without_answer,
)
from sgseg_dicom.destinations import AnyDestination
from sgseg_dicom.errors import (
    DeliveryRefused,
    InferenceError,
    InvalidResult,
    SgsegError,
)
from sgseg_dicom.result_kinds import Wanted

if TYPE_CHECKING:
    from sgseg_dicom.pipeline import Timed
    from sgseg_dicom.records import Results

log = structlog.get_logger(__name__)
T = TypeVar("T")

DEVICE_FAILURES = 3
"""Failures in a row after which the device is lost to this process: a CUDA context does not recover."""

_OUTCOME = "outcome.json"
_ANSWER = "answer.dcm"
_WHY = "why.json"
_ANEW = "anew"


class Process(Protocol):
    """`sgseg_dicom.pipeline` with its segmenter, clock and language."""

    def __call__(self, path: Path, *, wanted: Sequence[Wanted], timed: "Timed") -> "Results":
        """Turn one stored radiograph into the results that are wanted."""
        ...

    def answer(self, path: Path, error: SgsegError) -> Dataset:
        """Write for one stored image that it was not judged."""
        ...


class Courier(Protocol):
    """`node.delivery.dimse.Courier`, or `node.delivery.dicomweb.WebCourier`."""

    @property
    def destination(self) -> AnyDestination:
        """Where it delivers to, and what is wanted there."""
        ...

    def echo(self) -> None:
        """Ask whether the destination is there and knows us."""
        ...

    def send(self, files: Sequence[Path]) -> None:
        """Store files at the destination."""
        ...


class Worker:
    """Answers jobs and delivers results; safe to call from many threads."""

    def __init__(
        self,
        *,
        store: Store,
        process: Process,
        couriers: Mapping[str, Courier],
        on_device_lost: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._process = process
        self._couriers = couriers
        self._on_device_lost = on_device_lost
        self._clock = clock
        self._device_failures = 0
        self._peers = Peers()
        self._running = 0
        self._counting = Lock()

    @property
    def busy(self) -> bool:
        """True while a step runs."""
        return self._running > 0

    def answer(self, job: Job, *, last: bool = True, deadly: bool = False) -> Outcome:
        """
        Process the image of *job* and keep its results; what is already kept is not made again.

        An image that was not judged, and will not be at a further attempt (*last*), gets an answer that says
        so, for the destinations that want it; without any destination, for the results folder. One that has
        killed the worker again and again (*deadly*) is not processed: its header is read, for the answer.
        """
        started_at, seconds = self._clock(), dict[str, float]()

        def answered() -> Outcome:
            if kept := self._kept(job):
                self._store.clear_aside(job.id)  # what contradicted it, see AnotherAnswer: this one is sent
                return kept
            require_processable(job, deadly=deadly)
            return self._made(job, started_at, seconds)

        result = self._attempt(job.id, answered)
        outcome = result if isinstance(result, Outcome) else self._not_judged(job, result, last=last)
        self._watch_device(result)
        outcome = replace(
            outcome,
            started_at=outcome.started_at or started_at,
            finished_at=outcome.finished_at or self._clock(),
            seconds=outcome.seconds or seconds,
        )
        log_outcome(job, outcome)
        return outcome

    def deliver(self, job_id: str, destination: str, *, first: bool) -> Delivery:
        """
        Send the kept results of a job to one destination.

        The *first* attempt does not knock at a destination that is known to be down: the attempts of the
        queue do, one at a time.
        """
        at = self._clock()
        if first and (why := self._peers.why_down(destination)):
            detail = f"tried again later; last time: {why}"
            return Delivery(destination=destination, state=Sent.WAITING, detail=detail, at=at)
        takings = self._peers.takings(destination)
        error = self._attempt(job_id, lambda: self._send(job_id, destination))
        ended_at = self._clock()
        self._peers.note(destination, error, takings=takings, ended_at=ended_at)
        sent = Delivery(
            destination=destination,
            state=state_of(error),
            detail=str(error or ""),
            at=at,
            seconds=round(ended_at - at, 6),
            taken_at=self._peers.taken_at(destination),
        )
        log_delivery(job_id, sent)
        return sent

    def _watch_device(self, result: Outcome | SgsegError) -> None:
        """Count the failures in a row."""
        with self._counting:
            failures = self._device_failures + 1 if isinstance(result, InferenceError) else 0
            self._device_failures = failures
        if failures >= DEVICE_FAILURES:
            log.error("device_lost", failures=failures)
            self._on_device_lost()

    def _attempt(self, job_id: str, action: Callable[[], T]) -> T | SgsegError:
        """Run a step; the one place where whatever is raised becomes a value."""
        with self._step():
            try:
                return action()
            except SgsegError as error:
                return error
            except Exception as error:  # noqa: BLE001 - a defect of ours must not stop the queue
                log.error("defect", job=job_id, error=type(error).__name__, where=places_of(error))
                return Defect(type(error).__name__)

    def _made(self, job: Job, started_at: float, seconds: dict[str, float]) -> Outcome:
        """Run the pipeline and keep what it gives, with the outcome, before anything is sent."""
        wanted = [courier.destination.wanted for courier in self._couriers.values()] or [Wanted()]
        path = self._store.folder / job.file
        results = self._process(path, wanted=wanted, timed=_stopwatch(seconds))
        require_same_answer(self._answer_before(job), results)
        with _stopwatch(seconds)("keep"):
            # Each destination with its names; without one, `wanted` is for the results folder.
            sends = dict(zip(self._couriers, results.names, strict=False))
            outcome = Outcome(
                ending=Ending.FINDING if results.finding.is_positive else Ending.NO_FINDING,
                files=tuple(results.files),
                destinations=tuple(name for name in sends if sends[name]),
                sends=sends,
                answer=answer_of(results),
                started_at=started_at,
                finished_at=self._clock(),
                seconds=dict(seconds),
            )
            kept = {name: self._bytes_of(job, name, ds) for name, ds in results.files.items()}
            self._keep(job, outcome, kept)
            self._store.clear_aside(job.id)
        return replace(outcome, finished_at=self._clock(), seconds=seconds)

    def _not_judged(self, job: Job, error: SgsegError, *, last: bool) -> Outcome:
        """Translate what was raised instead of results; answer where no further attempt follows."""
        outcome = outcome_of(error)
        if isinstance(error, InvalidResult) and error.objects:
            outcome = self._set_aside(job, error, outcome)
        elif not outcome.again:  # what an earlier attempt set aside is no longer how this image ended
            self._attempt(job.id, lambda: self._store.clear_aside(job.id))
        # The UID of a quarantined image names another one, of which an answer would seem to speak.
        if (outcome.again and not last) or outcome.ending is Ending.QUARANTINED:
            return outcome
        if self._judged_before(job):
            self._attempt(job.id, lambda: self._store.drop(job.id, _ANEW))
            return beside_results(outcome)
        receivers = [name for name, courier in self._couriers.items() if courier.destination.not_judged]
        if self._couriers and not receivers:
            return outcome
        answered = self._attempt(job.id, lambda: self._answered(job, error, outcome, receivers))
        if isinstance(answered, Outcome):
            return answered
        return without_answer(outcome, outcome_of(answered))

    def _answered(self, job: Job, error: SgsegError, outcome: Outcome, receivers: list[str]) -> Outcome:
        """Make and keep the answer for an image that was not judged."""
        ds = self._process.answer(self._store.folder / job.file, error)
        content = self._bytes_of(job, _ANSWER, ds)
        outcome = replace(
            outcome,
            files=(_ANSWER,),
            destinations=tuple(receivers),
            sends=dict.fromkeys(receivers, (_ANSWER,)),
            finished_at=self._clock(),
        )
        self._keep(job, outcome, {_ANSWER: content})
        return outcome

    def _set_aside(self, job: Job, error: InvalidResult, outcome: Outcome) -> Outcome:
        """Quarantine the objects of which one failed its check, with the rules that are broken."""
        log.error("set_aside", job=job.id, rules=list(error.rules))
        why = {"rules": error.rules, "violations": str(error).splitlines()}

        def write() -> Path:
            files = {name: _encoded(ds) for name, ds in error.objects.items()}
            return self._store.set_aside(job.id, {**files, _WHY: json.dumps(why, indent=2).encode()})

        kept = self._attempt(job.id, write)
        where = f"the objects: {kept}" if isinstance(kept, Path) else f"the objects could not be kept: {kept}"
        return replace(outcome, detail=f"{outcome.detail}; {where}")

    def _bytes_of(self, job: Job, name: str, made: Dataset) -> bytes:
        """Encode an object; the same one as it was kept before: under one UID nothing else is ever sent."""
        folder = self._store.kept(job.id)
        path = None if folder is None else folder / name
        if path is None or not path.is_file():
            return _encoded(made)
        same = read_file_meta_info(path).MediaStorageSOPInstanceUID == made.SOPInstanceUID
        return path.read_bytes() if same else _encoded(made)

    def _keep(self, job: Job, outcome: Outcome, files: Mapping[str, bytes]) -> None:
        """Keep objects and outcome, instead of an answer of an earlier time."""
        self._store.keep(job.id, {**files, _OUTCOME: json.dumps(asdict(outcome)).encode()})

    def _kept(self, job: Job) -> Outcome | None:
        """Give the outcome that a worker kept before it died; None where there is none of a judged image."""
        before = self._outcome_before(job)
        if before is None or not before.ending.judged:
            return None
        anew = (self._store.results / job.id / _ANEW).is_file()  # see judge_anew
        return None if anew else before

    def _answer_before(self, job: Job) -> str:
        """Give the answer that is kept; "" where none is."""
        before = self._outcome_before(job)
        return "" if before is None else before.answer

    def _judged_before(self, job: Job) -> bool:
        """Say whether results are kept, which were or will be sent: an answer beside them would contradict them."""
        before = self._outcome_before(job)
        return before is not None and before.ending.judged

    def _outcome_before(self, job: Job) -> Outcome | None:
        folder = self._store.kept(job.id)
        return None if folder is None or not (folder / _OUTCOME).is_file() else _read_outcome(folder)

    def _send(self, job_id: str, destination: str) -> None:
        folder, courier = self._store.kept(job_id), self._couriers.get(destination)
        if courier is None:
            raise DeliveryRefused(
                f"no [[destination]] is named {destination} any more; add it again, then `sgseg-node requeue`"
            )
        if folder is None:
            raise DeliveryRefused(f"the results of {job_id} are no longer kept; see [store] keep_days")
        courier.send([folder / name for name in _read_outcome(folder).sends[destination]])

    @contextmanager
    def _step(self) -> Iterator[None]:
        with self._counting:
            self._running += 1
        try:
            yield
        finally:
            with self._counting:
                self._running -= 1


def judge_anew(store: Store, job_id: str) -> None:
    """
    Let the next answer to a job be made again, under the settings of then; the objects that are kept stay.

    Raises:
        StorageUnavailable: read-only.
    """
    store.mark(job_id, _ANEW)


def _read_outcome(folder: Path) -> Outcome:
    return Outcome.from_dict(json.loads((folder / _OUTCOME).read_bytes()))


def _encoded(ds: Dataset) -> bytes:
    """Give the bytes of a DICOM file (PS3.10)."""
    buffer = BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _stopwatch(seconds: dict[str, float]) -> "Timed":
    """Write the time of each stage into *seconds*."""

    @contextmanager
    def timed(stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds[stage] = round(time.perf_counter() - start, 6)

    return timed
