"""Measure the whole node on films of other hospitals: image check, model and rules of findings."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.release.image_check_manifest import packaged_image_check, read_image_check_manifest
from training.data import Item
from training.data.brixia import read_brixia
from training.data.film import Film, Group
from training.data.other_sources import read_other_sources
from training.evaluation.answers import Answer, WholeWay
from training.evaluation.brixia_agreement import brixia_agreement
from training.evaluation.kept_answers import KeptAnswers
from training.evaluation.source_figures import Answered, figures_by_source
from training.progress import progress

_BATCH = 8
SIDES = "taken as stated: these films cannot state them, and the gate asks more of a film that states none"


def judge_of(way: WholeWay, image_check: Path | None) -> dict[str, str]:
    """Name what judges: the identities of the weights and of the image check (None: the one that ships)."""
    check = read_image_check_manifest(packaged_image_check() if image_check is None else image_check)
    return {"weights": way.network.algorithm.weights_digest, "image_check": check.identity}


def chosen_films(folder: Path, *, sources: Collection[str], names: Collection[str]) -> list[Film]:
    """
    Read the films of *folder* that are wanted: of these *sources*, with these *names*; none given: all.

    Raises:
        DataError: as `read_other_sources`.
        ConfigError: no film is wanted.
    """
    films = read_other_sources(folder)
    chosen = [
        film
        for film in films
        if (not sources or film.source in sources) and (not names or film.item.name in names)
    ]
    if not chosen:
        raise ConfigError(
            f"none of the {len(films)} films in {folder} has such a source or name; its sources are "
            f"{sorted({film.source for film in films})}"
        )
    return chosen


def films_of_normals(adults: Iterable[Item], children: Iterable[Item]) -> list[Film]:
    """Turn the normal radiographs of the source that was learned from, and the children among them, into films."""
    groups = ((Group.NORMAL, adults), (Group.CHILD, children))
    return [
        Film(item=item, source="normals", group=group, licence="")
        for group, items in groups
        for item in items
    ]


def answer_films(way: WholeWay, films: Sequence[Film], kept: KeptAnswers) -> list[Answered]:
    """
    Answer *films* in batches, and keep the answers as they come; those that are kept already are not made again.

    Raises:
        DataError: a file cannot be read.
        InferenceError: the device failed.
    """
    open_ = [film for film in films if film.key not in kept.answers]
    batches = way.answers([film.item for film in open_])
    for start in progress(range(0, len(open_), _BATCH), "films of other sources"):
        part = open_[start : start + _BATCH]
        kept.add([film.key for film in part], next(batches))
    return [Answered(film, kept.answers[film.key]) for film in films]


def refusals_of(way: WholeWay, source: str, items: Sequence[Item]) -> list[tuple[str, str]]:
    """
    Ask about frontal films of adults; give the source and the refusal ("": none) of each.

    Raises:
        DataError: a file cannot be read.
    """
    batches = progress(range(0, len(items), _BATCH), f"gate, {source}")
    answers = way.answers(items)
    return [(source, answer.refused) for _ in batches for answer in next(answers)]


def measure_other_sources(
    folder: Path,
    answered: Sequence[Answered],
    *,
    judge: Mapping[str, str],
    good_elsewhere: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """
    Give `figures_by_source`, `brixia_agreement` as "brixia", and the answer to each film as "answers".

    Args:
        folder: of the films, and of `brixia.csv`.
        answered: films with their answers.
        judge: identities of what judged (`judge_of`).
        good_elsewhere: of `refusals_of`.

    Raises:
        DataError: `brixia.csv` cannot be read.
    """
    figures = {"judge": dict(judge), "sides": SIDES} | figures_by_source(answered, good_elsewhere)
    if scores := read_brixia(folder):
        figures["brixia"] = brixia_agreement(answered, scores)
    return figures | {"answers": {one.film.key: _row(one.answer) for one in answered}}


def _row(answer: Answer) -> dict[str, Any]:
    zones = "".join("01"[zone] for zone in answer.zones)
    return {
        "refused": answer.refused,
        "finding": answer.finding,
        "zones": zones,
        "share": round(answer.share, 5),
    }
