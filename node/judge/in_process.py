"""Judges in the process that asks: what a judging process does, and what tests do."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from node.judge.judged import Judged, judged
from node.judge.stopwatch import stopwatch
from node.store.encoded_object import EncodedObject, object_of
from sgseg_dicom.comparison.films import Earlier, no_earlier
from sgseg_dicom.errors import SgsegError
from sgseg_dicom.result_kinds import Wanted

if TYPE_CHECKING:
    from sgseg_dicom.pipeline import Timed
    from sgseg_dicom.records import Results, WrittenObject


class Process(Protocol):
    """What `sgseg_dicom.pipeline.Pipeline` offers."""

    def __call__(
        self, path: Path, *, wanted: Mapping[str, Wanted], timed: "Timed", earlier: Earlier
    ) -> "Results":
        """Turn one stored radiograph into the results that are wanted, by the name of each destination."""
        ...

    def not_judged(self, path: Path, error: SgsegError) -> "WrittenObject":
        """Write for one stored image that it was not judged."""
        ...


class InProcess:
    """
    A `Judge` without a process of its own.

    Args:
        process: makes results of an image.
        entered: called with the name of each stage when it begins.
    """

    def __init__(self, process: Process, *, entered: Callable[[str], None] = lambda stage: None) -> None:
        self._process = process
        self._entered = entered

    def __call__(
        self,
        path: Path,
        *,
        wanted: Mapping[str, Wanted],
        seconds: dict[str, float],
        earlier: Earlier = no_earlier,
    ) -> Judged:
        """Judge one stored radiograph."""
        timed = stopwatch(seconds, entered=self._entered)
        results = self._process(path, wanted=wanted, timed=timed, earlier=earlier)
        with timed("encode"):
            return judged(results)

    def not_judged(self, path: Path, error: SgsegError) -> EncodedObject:
        """Write that an image was not judged."""
        self._entered("report")
        return object_of(self._process.not_judged(path, error))

    def wait_ready(self) -> None:
        """It is ready."""

    @property
    def is_able(self) -> bool:
        """It is there."""
        return True

    def close(self) -> None:
        """Nothing is open."""
