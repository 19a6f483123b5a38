"""What the worker and its processes write to each other; every message is a frozen record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from sgseg_dicom.comparison.films import Film
from sgseg_dicom.errors import SgsegError
from sgseg_dicom.model_records import Algorithm, ModelInput
from sgseg_dicom.result_kinds import Wanted

if TYPE_CHECKING:
    from sgseg_dicom.inference.runtime import Runtime

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """
    Worker -> judging process: judge an image, or write that it was not judged.

    Attributes:
        path: the stored image.
        wanted: by the name of each destination, what it wants of a judged image.
        error: why the image was not judged; None: judge it.
    """

    path: Path
    wanted: Mapping[str, Wanted] = field(default_factory=dict)
    error: SgsegError | None = None


@dataclass(frozen=True, slots=True)
class Entered:
    """Judging process -> worker: a stage has begun."""

    stage: str


@dataclass(frozen=True, slots=True)
class NeedRoom:
    """Judging process -> worker: it waits until an image of so many megapixels may be decoded."""

    megapixels: int


@dataclass(frozen=True, slots=True)
class AskModel:
    """Judging process -> worker: it waits for what the model says of an image."""

    model_input: ModelInput


@dataclass(frozen=True, slots=True)
class AskAlgorithm:
    """Judging process -> worker: it wants to know who judges."""


@dataclass(frozen=True, slots=True)
class AskEarlier:
    """Judging process -> worker: which films of the same patient were judged before?"""

    film: Film


Request = NeedRoom | AskModel | AskAlgorithm | AskEarlier
"""What a judging process waits for. The worker writes an `Answer`."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Worker -> model process: judge these images."""

    inputs: Sequence[ModelInput]


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """
    Model process -> worker: the model is there, and warm.

    Attributes:
        algorithm: who judges.
        runtime: what runs the model.
        max_batch: most images in one batch.
    """

    algorithm: Algorithm
    runtime: "Runtime"
    max_batch: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer(Generic[T]):
    """
    The end of an order, of a request or of the start.

    Attributes:
        value: what was asked for; None where it failed.
        error: why it failed.
        seconds: time of each stage.
    """

    value: T | None = None
    error: SgsegError | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
