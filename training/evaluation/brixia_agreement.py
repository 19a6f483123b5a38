"""What the node marks, beside the Brixia scores of two radiologists; and these two beside each other."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.data.brixia import BrixiaScores
from training.evaluation.rank_correlation import spearman
from training.evaluation.source_figures import Answered


def brixia_agreement(answered: Sequence[Answered], scores: Mapping[str, BrixiaScores]) -> dict[str, Any]:
    """
    Compare on the films that were judged; zones agree where both say infected (score above 0) or both free.

    Returns:
        scored: films with scores;
        of_lungs: whether the marked share is that of both lungs (else of the image). If it is, films in which not
        both lungs were found do not count for its correlation; `shares` is the number of those that do;
        radiologists: the junior beside the senior, on all films with scores;
        all, unseen: the films that were judged, and of these those that QaTa-COV19's train split does not have;
        `model` and `junior` beside the senior.

        Each has spearman (of the share marked, or of the junior's global score, with the senior's, 0 to 18),
        zone_bits and all_six.
    """
    known = [one for one in answered if one.film.item.name in scores]
    judged = [one for one in known if not one.answer.refused]
    unseen = [one for one in judged if not one.film.same_film_in_qata_train]
    return {
        "scored": len(known),
        "of_lungs": any(one.answer.of_lungs for one in judged),
        "radiologists": _radiologists([scores[one.film.item.name] for one in known]),
        "all": _beside(judged, scores),
        "unseen": _beside(unseen, scores),
    }


def _beside(answered: Sequence[Answered], scores: Mapping[str, BrixiaScores]) -> dict[str, Any]:
    pairs = [scores[one.film.item.name] for one in answered]
    senior = [[score > 0 for score in pair.senior] for pair in pairs]
    model = [list(one.answer.zones) for one in answered]
    of_lungs = any(one.answer.of_lungs for one in answered)
    measured = [place for place, one in enumerate(answered) if one.answer.of_lungs == of_lungs]
    shares = [answered[place].answer.share for place in measured]
    correlation = spearman(shares, [sum(pairs[place].senior) for place in measured])
    return {
        "films": len(answered),
        "shares": len(shares),
        "model": {"spearman": correlation} | _agreement(model, senior),
        "junior": _radiologists(pairs),
    }


def _radiologists(pairs: Sequence[BrixiaScores]) -> dict[str, Any]:
    junior, senior = ([[score > 0 for score in scores] for scores in part] for part in _parts(pairs))
    totals = [[float(sum(scores)) for scores in part] for part in _parts(pairs)]
    return {"spearman": spearman(*totals)} | _agreement(junior, senior)


def _parts(pairs: Sequence[BrixiaScores]) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    return [pair.junior for pair in pairs], [pair.senior for pair in pairs]


def _agreement(one: Sequence[Sequence[bool]], other: Sequence[Sequence[bool]]) -> dict[str, float | None]:
    if not one:
        return {"zone_bits": None, "all_six": None}
    bits = [a == b for left, right in zip(one, other, strict=True) for a, b in zip(left, right, strict=True)]
    whole = [list(left) == list(right) for left, right in zip(one, other, strict=True)]
    return {"zone_bits": sum(bits) / len(bits), "all_six": sum(whole) / len(whole)}
