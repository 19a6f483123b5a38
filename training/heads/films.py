"""Which films the heads learn from, and as what."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from training.data import Item, read_children, read_normals, read_split
from training.data.film import Film, Group
from training.data.licences import may_be_learned_from
from training.data.other_sources import lungs_of, read_other_sources
from training.heads.judged import JudgedFilm
from training.heads.look_views import Kind, LookView
from training.heads.lung_views import LungFilm

QATA, NORMALS = "qata", "normals"
WRONG_WAY = frozenset(
    {
        "sub-s12354_ses-e24693_run-1_bp-chest_vp-ap_cr",
        "sub-s12234_ses-e24651_run-1_bp-chest_vp-ap_cr",
        "sub-s11976_ses-e24587_run-1_bp-chest_vp-ap_cr",
        "nih__00001836_110",
        "nih__00002645_002",
        "nih__00003490_011",
    }
)
"""Films whose heart, or marker, lies on the wrong side, or that stand on their head (looked at on 2026-11-30)."""
CHILDREN = "guangzhou"
"""All children, under whichever name they came, are of one hospital: no other can be left out, or learned from."""
_EVERY_SECOND = 2
_TRAIN_NORMALS_STEP = 3
_LATERAL_VIEWS = 12
"""Changed views of each lateral: there are few."""
WEAK = 0.15
"""Weight of NIH's "pneumonia": the label is mined from reports, and weak. 0.01, 0.15 and 0.5 were tried."""


def lung_films(folder: Path) -> list[LungFilm]:
    """
    Give the films of other hospitals with drawn lungs that may be learned from.

    Raises:
        DataError: as `read_other_sources`.
    """
    return [
        LungFilm(item=film.item, lungs=lungs, source=film.source)
        for film in read_other_sources(folder)
        if may_be_learned_from(film) and (lungs := lungs_of(film)) is not None
    ]


def look_views(data: Path, normals: Path, other: Path) -> list[LookView]:
    """
    Give what the heads of the look learn from: adults as they are, mirrored and changed; laterals; children.

    Raises:
        DataError: a folder is not as it should be.
    """
    adults = [
        replace(view, right_way=view.item.name not in WRONG_WAY) for view in _adults(data, normals, other)
    ]
    views = [*adults, *(replace(view, mirrored=True) for view in adults)]
    views += [
        replace(view, mirrored=place % 2 == 1, changed=True)
        for place, view in enumerate(adults)
        if place % 3 != 1
    ]
    films = read_other_sources(other)
    for film in films:
        if film.group is Group.LATERAL:
            view = _view(film, "lateral")
            views.append(view)
            views += [
                replace(view, mirrored=number % 2 == 0, changed=True) for number in range(_LATERAL_VIEWS)
            ]
    children = [replace(_view(film, "child"), source=CHILDREN) for film in films if film.group is Group.CHILD]
    children += [
        LookView(item=item, source=CHILDREN, group="child", patient=item.patient, kind="child")
        for split in ("train", "valid")
        for item in read_children(normals, split)
    ]
    views += children
    return views + [replace(view, changed=True) for view in children[::_EVERY_SECOND]]


def judged_films(data: Path, normals: Path, other: Path) -> list[JudgedFilm]:
    """
    Give the films that the image-level judgement learns from, and those that it is measured on beside them.

    Of QaTa-COV19 valid: the encoder knows the films of train by heart.

    Raises:
        DataError: a folder is not as it should be.
    """
    films = [
        JudgedFilm(
            item=film.item,
            source=film.source,
            group=film.group.value,
            patient=film.patient,
            infected=True if film.group.is_infection else False if film.group.is_free else None,
            learned=may_be_learned_from(film),
            weight=WEAK if film.source == "nih" and film.group is Group.PNEUMONIA else 1.0,
        )
        for film in read_other_sources(other)
        if film.group.is_to_be_judged
    ]
    films += [
        JudgedFilm(item=item, source=QATA, group="infected", patient=item.patient, infected=True)
        for item in read_split(data, "valid")
    ]
    films += [
        JudgedFilm(item=item, source=NORMALS, group="normal", patient=item.patient, infected=False)
        for item in _normals(normals)
    ]
    return films


def _adults(data: Path, normals: Path, other: Path) -> Iterator[LookView]:
    for film in read_other_sources(other):
        if film.group.is_to_be_judged:
            yield _view(film, "adult")
    for item in read_split(data, "valid")[:: _EVERY_SECOND**2]:
        yield LookView(item=item, source=QATA, group="infected", patient=item.patient, kind="adult")
    for item in _normals(normals):
        yield LookView(item=item, source=NORMALS, group="normal", patient=item.patient, kind="adult")


def _normals(normals: Path) -> Sequence[Item]:
    return read_normals(normals, "valid") + read_normals(normals, "train")[::_TRAIN_NORMALS_STEP]


def _view(film: Film, kind: Kind) -> LookView:
    return LookView(
        item=film.item,
        source=film.source,
        group=film.group.value,
        patient=film.patient,
        kind=kind,
        learned=may_be_learned_from(film),
    )
