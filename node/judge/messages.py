"""What the worker and a judging process write to each other; every message is a frozen record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

from sgseg_dicom.comparison.films import Film
from sgseg_dicom.errors import SgsegError
from sgseg_dicom.result_kinds import Wanted

T = TypeVar("T")


class Share(StrEnum):
    """What all judging processes of a worker share."""

    INFERENCE = "inference"
    """One at a time: a model uses all cores, and two at once are slower than one after the other."""
    MEGAPIXELS = "megapixels"
    """Of the images that are being judged: each pixel takes memory until its image is done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """
    Worker -> process: judge an image, or write that it was not judged.

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
    """Process -> worker: a stage has begun."""

    stage: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """Process -> worker: it waits for a share. The worker writes `GRANTED` when it has it."""

    share: Share
    amount: int


@dataclass(frozen=True, slots=True)
class AskEarlier:
    """
    Process -> worker: which films of the same patient were judged before?

    The worker writes them, a tuple of `sgseg_dicom.comparison.films.EarlierFilm`, or the SgsegError that kept it from
    it.
    """

    film: Film


@dataclass(frozen=True, slots=True)
class Returned:
    """Process -> worker: it does not need its share any more. What it has at the end of an order comes back too."""

    share: Share


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer(Generic[T]):
    """
    Process -> worker: the end of an order, or of the start.

    Attributes:
        value: what was asked for; None where it failed.
        error: why it failed.
        seconds: time of each stage.
    """

    value: T | None = None
    error: SgsegError | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)


GRANTED = "granted"
"""Worker -> process: go on."""
