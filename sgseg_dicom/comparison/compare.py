"""An earlier film's shares and this film's -> more, less or no clear change, by lung. Pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sgseg_dicom.comparison.films import EarlierFilm, Moment, Shares
from sgseg_dicom.comparison.repeatability import Repeatability
from sgseg_dicom.zones import Laterality


class Change(StrEnum):
    """How the marked share of a lung differs from that of an earlier film."""

    MORE = "more"
    LESS = "less"
    UNCLEAR = "no clear change"


@dataclass(frozen=True, kw_only=True, slots=True)
class LungChange:
    """
    One lung, then and now.

    Attributes:
        side: the PATIENT's lung.
        before, now: marked share of its area, 0 to 1.
        limit: difference up to which it is no clear change, in percentage points with one decimal.
    """

    side: Laterality
    before: float
    now: float
    limit: float

    @property
    def change(self) -> Change:
        """Decide by the numbers as they are written, in tenths of a percent: a reader can calculate it again."""
        difference = round(round(100 * self.now, 1) - round(100 * self.before, 1), 1)
        if abs(difference) <= self.limit:
            return Change.UNCLEAR
        return Change.MORE if difference > 0 else Change.LESS


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """
    A film beside the earlier ones of the same patient.

    Attributes:
        taken: when this film was taken.
        earlier: at least one, the oldest first. The last one is what the words speak of; all of them are the points
            of a line that a picture may draw.
        lungs: of the last one and this film; those lungs that were measured on both and marked on one; at least one.
    """

    taken: Moment
    earlier: tuple[EarlierFilm, ...]
    lungs: tuple[LungChange, ...]

    @property
    def prior(self) -> EarlierFilm:
        """The nearest film before this one."""
        return self.earlier[-1]

    @property
    def form(self) -> str:
        """
        What sets the results apart from those without a comparison, or with another one, for their UIDs.

        It is made of the films that are compared and of what was measured on them: the words come from nothing else.
        """
        told = "|".join(
            f"{film.reference.sop_instance_uid} {film.taken.date} {film.taken.time} "
            + " ".join(f"{side.value}{film.shares[side]:.4f}" for side in Laterality if side in film.shares)
            for film in self.earlier
        )
        return f" compared {hashlib.sha256(told.encode()).hexdigest()[:16]}"


def compare(
    taken: Moment, shares: Shares, earlier: Sequence[EarlierFilm], repeatability: Repeatability
) -> Comparison | None:
    """
    Compare a film with the nearest earlier one; None: there is none, or nothing is marked on either of them.

    Args:
        taken: when the film was taken.
        shares: what is marked on it (`Finding.comparable_shares`).
        earlier: films of the same patient, the oldest first.
        repeatability: what is no clear change.
    """
    if not earlier:
        return None
    before = earlier[-1].shares
    lungs = tuple(
        LungChange(
            side=side,
            before=before[side],
            now=shares[side],
            limit=repeatability.limit(100 * before[side], 100 * shares[side]),
        )
        for side in Laterality
        if side in before and side in shares and (before[side] or shares[side])
    )
    return Comparison(taken=taken, earlier=tuple(earlier), lungs=lungs) if lungs else None
