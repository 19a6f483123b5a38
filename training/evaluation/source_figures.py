"""Answers to films of other hospitals -> how often each kind of film, by source, is answered as it should be."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.data.film import Film, Group
from training.evaluation.answers import Answer
from training.evaluation.wilson import wilson_interval

ALL = "all sources together"
_DECADES = ((18, 40), (40, 60), (60, 80), (80, 200))


@dataclass(frozen=True, slots=True)
class Answered:
    """A film and the node's answer to it."""

    film: Film
    answer: Answer


def figures_by_source(
    answered: Sequence[Answered], good_elsewhere: Sequence[tuple[str, str]] = ()
) -> dict[str, Any]:
    """
    Count what is right and wrong. Every rate is {n, count, share, interval}, the interval Wilson's of 95 %.

    Args:
        answered: films with their answers.
        good_elsewhere: source and refusal ("": none) of frontal films of adults that only the gate has seen.

    Returns:
        films: their number;
        findings: by group and source, films of adults with a finding, of all films, refused ones too. Films that
        QaTa-COV19's train split has too are counted apart (`in_qata_train`);
        to_refuse: by group and source, laterals and children that are refused;
        good_refused: of each source, and of all together, frontal films of adults that are refused; `reasons` counts
        why;
        infected_of_cohen: by sex, age and view, infected films with a finding, and those that are refused.
    """
    return {
        "films": len(answered),
        "findings": _findings([one for one in answered if one.film.group.is_to_be_judged]),
        "to_refuse": _to_refuse([one for one in answered if not one.film.group.is_to_be_judged]),
        "good_refused": good_refused([*_good(answered), *good_elsewhere]),
        "infected_of_cohen": _parts(
            [one for one in answered if one.film.source == "cohen" and one.film.group.is_infection]
        ),
    }


def rate_of(count: int, n: int) -> dict[str, Any]:
    """Give a share with its numbers and its interval; the share of nothing is None."""
    return {"n": n, "count": count, "share": count / n if n else None, "interval": wilson_interval(count, n)}


def good_refused(refusals: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Count refusals ("": none) of good films, given with their sources: of all together first, then of each."""
    by_source: dict[str, list[str]] = {}
    for source, refused in refusals:
        by_source.setdefault(source, []).append(refused)
    everything = [refused for one in by_source.values() for refused in one]
    parts = {ALL: everything} | dict(sorted(by_source.items())) if everything else {}
    return [
        {"source": source, "refused": rate_of(sum(map(bool, part)), len(part)), "reasons": _reasons(part)}
        for source, part in parts.items()
    ]


def _good(answered: Sequence[Answered]) -> list[tuple[str, str]]:
    return [(one.film.source, one.answer.refused) for one in answered if one.film.group.is_to_be_judged]


def _findings(answered: Sequence[Answered]) -> list[dict[str, Any]]:
    rows = []
    for (group, source, seen), part in _by(
        answered, lambda film: (_order(film.group), film.source, film.same_film_in_qata_train)
    ).items():
        rows.append(
            {
                "group": _GROUPS[group].value,
                "source": source,
                "in_qata_train": seen,
                "found": rate_of(sum(one.answer.finding for one in part), len(part)),
                "refused": sum(bool(one.answer.refused) for one in part),
            }
        )
    return rows


def _to_refuse(answered: Sequence[Answered]) -> list[dict[str, Any]]:
    return [
        {
            "group": _GROUPS[group].value,
            "source": source,
            "refused": rate_of(sum(bool(one.answer.refused) for one in part), len(part)),
            "reasons": _reasons(one.answer.refused for one in part),
        }
        for (group, source), part in _by(answered, lambda film: (_order(film.group), film.source)).items()
    ]


def _parts(answered: Sequence[Answered]) -> dict[str, list[dict[str, Any]]]:
    ways: Mapping[str, Callable[[Film], str]] = {
        "sex": lambda film: film.sex or "not stated",
        "age": _age_group,
        "view": lambda film: film.view or "not stated",
    }
    return {
        name: [
            {
                "value": value,
                "found": rate_of(sum(one.answer.finding for one in part), len(part)),
                "refused": rate_of(sum(bool(one.answer.refused) for one in part), len(part)),
            }
            for value, part in _by(answered, way).items()
        ]
        for name, way in ways.items()
    }


def _age_group(film: Film) -> str:
    if film.age is None:
        return "not stated"
    low, high = next((low, high) for low, high in _DECADES if film.age < high)
    return f"{low} to {high - 1}" if high < _DECADES[-1][1] else f"{low} and more"


_GROUPS = tuple(Group)


def _order(group: Group) -> int:
    return _GROUPS.index(group)


def _by(answered: Sequence[Answered], key: Callable[[Film], Any]) -> dict[Any, list[Answered]]:
    """Put films with the same key together, in the order of the keys."""
    parts: dict[Any, list[Answered]] = {}
    for one in sorted(answered, key=lambda one: key(one.film)):
        parts.setdefault(key(one.film), []).append(one)
    return parts


def _reasons(refusals: Iterable[str]) -> dict[str, int]:
    return dict(Counter(reason for reason in refusals if reason).most_common())
