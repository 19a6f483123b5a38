"""A film of another hospital, and what is known of it."""

import re
from dataclasses import dataclass
from enum import StrEnum

from training.data.items import Item

ADULT_YEARS = 18


class Group(StrEnum):
    """What a film shows, as far as its source says."""

    NORMAL = "normal"
    NODULE = "nodule"
    COVID = "covid"
    PNEUMONIA = "pneumonia"
    OPACITY = "opacity without infection"
    UNKNOWN = "not labelled"
    LATERAL = "lateral"
    CHILD = "child"

    @property
    def is_infection(self) -> bool:
        """Whether a finding is right."""
        return self in (Group.COVID, Group.PNEUMONIA)

    @property
    def is_free(self) -> bool:
        """Whether a finding is wrong: no infection, and nothing that looks like a large one."""
        return self in (Group.NORMAL, Group.NODULE)

    @property
    def is_to_be_judged(self) -> bool:
        """Whether it is a frontal film of an adult."""
        return self not in (Group.LATERAL, Group.CHILD)


@dataclass(frozen=True, kw_only=True, slots=True)
class Film:
    """
    One film.

    Attributes:
        item: its image. An item without a mask counts as normal elsewhere; here only *group* says whether it is.
        source: where it comes from: "jsrt", "nih", "cohen", "kermany", "viral", or the first word of its name.
        group: what it shows.
        licence: as its owner states it; "": not stated.
        sex: "F", "M" or "" (not stated).
        age: in years; None: not stated.
        view: "PA", "AP", "AP Supine", "L" or "" (not stated).
        finding: in the words of the source; "": it has none.
        country: "": not stated.
        same_film_in_qata_train: whether QaTa-COV19's train split has the same film, so that it is not unseen.
    """

    item: Item
    source: str
    group: Group
    licence: str
    sex: str = ""
    age: float | None = None
    view: str = ""
    finding: str = ""
    country: str = ""
    same_film_in_qata_train: bool = False

    @property
    def key(self) -> str:
        """Its folder and name: no other film of the data has the same."""
        return f"{self.item.image.parent.name}/{self.item.name}"

    @property
    def patient(self) -> str:
        """
        The patient, with the source; where none is known, the film counts as a patient of its own.

        ChestX-ray14 writes the patient before the underscore, Kermany's pneumonias as "person12".
        """
        pattern = {"nih": r"nih__\d+", "kermany": r".+__person\d+"}.get(self.source, r".+")
        found = re.match(pattern, self.item.name)
        return found[0] if found else self.item.name
