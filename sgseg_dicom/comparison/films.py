"""The records of films that are compared: the one that is judged, and those of the same patient before it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sgseg_dicom.zones import Laterality


class Moment(NamedTuple):
    """
    When a film was taken, in the local time that it states.

    Attributes:
        date: eight digits, YYYYMMDD.
        time: six digits, HHMMSS; "" where it is not stated.
    """

    date: str
    time: str = ""

    def is_before(self, other: "Moment") -> bool:
        """Whether it is surely earlier: two moments of one day of which one has no time are not."""
        if self.date != other.date:
            return self.date < other.date
        return bool(self.time and other.time) and self.time < other.time


@dataclass(frozen=True, kw_only=True, slots=True)
class Patient:
    """
    Who a film is of: all of it must be the same in another film of the same patient. It is never logged nor stored.

    Attributes:
        id: Patient ID (0010,0020).
        issuer: who gave it out: Issuer of Patient ID (0010,0021), and the universal identifier and its type of
            (0010,0024); "" each where they are not stated.
        birth_date: Patient's Birth Date (0010,0030), eight digits.
        sex: Patient's Sex (0010,0040): "M", "F" or "O".
    """

    id: str = field(repr=False)
    issuer: tuple[str, str, str] = field(repr=False)
    birth_date: str = field(repr=False)
    sex: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class FilmReference:
    """
    What names one film in the archive.

    Attributes:
        sop_class_uid, sop_instance_uid: of the image.
        study_uid, series_uid: where it lies.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str
    series_uid: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Film:
    """
    A film that can be compared.

    Attributes:
        patient: whose it is.
        taken: when.
        reference: its UIDs.
        weights: digest of the weights that judge it: shares of other weights are not compared with theirs.
    """

    patient: Patient = field(repr=False)
    taken: Moment
    reference: FilmReference
    weights: str


Shares = Mapping[Laterality, float]
"""Marked share of each lung, 0 to 1; a lung that cannot be compared is missing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EarlierFilm:
    """
    A film of the same patient that was judged before.

    Attributes:
        taken: when.
        reference: its UIDs.
        shares: what was measured on it.
    """

    taken: Moment
    reference: FilmReference
    shares: Shares


Earlier = Callable[[Film], tuple[EarlierFilm, ...]]
"""Gives the films of the same patient that were taken before, in other studies; the oldest first."""


def no_earlier(film: Film) -> tuple[EarlierFilm, ...]:
    """Know of no earlier film."""
    return ()


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredFilm:
    """What is kept of a judged film, for the films that come after it."""

    film: Film
    shares: Shares
