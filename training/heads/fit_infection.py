"""Train the image-level judgement, and choose both thresholds of an infected image together."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.inference.network import infection_score
from training.evaluation.wilson import wilson_interval
from training.heads.judged import Judged
from training.heads.linear_probe import LinearProbe, fit_probe, folds_of

FOLDS, SEED = 5, 0
STRENGTH = 1e-3
SENSITIVITY = 0.99
"""Share of the infected films of QaTa-COV19's valid split that must have a finding."""
REFERENCE = "qata"
_SHARES = np.round(np.arange(0.0, 0.0095, 0.0005), 4)
"""Shares of the reference films that the head alone may miss; the rest of 1 % is left for the zones."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class InfectionFit:
    """
    The image-level judgement.

    Attributes:
        probe: learned from all films that may be learned from.
        threshold: least log odds of the probe.
        zones_threshold: least `infection_score`, 0 to 1.
        figures: films with a finding by source, by folds and with each source left out.
    """

    probe: LinearProbe
    threshold: float
    zones_threshold: float
    figures: dict[str, Any]


class Films:
    """Arrays of what is known of the judged films, for choosing rows."""

    def __init__(self, judged: Judged, zone_temperature: float) -> None:
        films = judged.films
        self.content = judged.content
        probabilities = 1 / (1 + np.exp(-judged.zone_logits.astype(np.float64) / zone_temperature))
        self.zones = np.array([infection_score(one.astype(np.float32)) for one in probabilities])
        self.infected = np.array([film.infected is True for film in films])
        self.known = np.array([film.infected is not None and film.learned for film in films])
        self.source = np.array([film.source for film in films])
        self.group = np.array([film.group for film in films])
        self.weight = np.array([film.weight for film in films])
        self.folds = folds_of([film.patient for film in films], FOLDS, seed=SEED)
        self.reference = (self.source == REFERENCE) & self.infected


def fit_infection(judged: Judged, *, zone_temperature: float) -> InfectionFit:
    """
    Fit the probe on all sources, balanced by source and kind; choose the thresholds on folds.

    Of all pairs of thresholds with which `SENSITIVITY` of the reference films have a finding, the one is taken that
    marks fewest films without infection, each source weighing the same: by both, as at a source that was learned
    from, and by the zones alone. Of another source the head says nearly always "infected": there the zones decide.
    """
    films = Films(judged, zone_temperature)
    scores = _scores_of(films, films.folds)
    threshold, zones_threshold = _thresholds(films, scores)
    # The reference source has no normal films of its own: it is never left out.
    sources = np.where(films.source == REFERENCE, films.folds.astype(str), films.source)
    left_out = _scores_of(films, sources)
    return InfectionFit(
        probe=_fit(films, films.known),
        threshold=threshold,
        zones_threshold=zones_threshold,
        figures={
            "folds": _found(films, (scores >= threshold) & (films.zones >= zones_threshold)),
            "source left out": _found(films, (left_out >= threshold) & (films.zones >= zones_threshold)),
            "zones alone": _found(films, films.zones >= _least(films.zones[films.reference])),
        },
    )


def _least(scores: NDArray[np.float64]) -> float:
    """Give the score that `SENSITIVITY` of the films reach."""
    ordered = np.sort(scores)
    return float(ordered[int((1 - SENSITIVITY) * len(ordered))])


def _fit(films: Films, rows: NDArray[np.bool_]) -> LinearProbe:
    return fit_probe(
        films.content[rows], films.infected[rows], strength=STRENGTH, weights=_balanced(films, rows)
    )


def _balanced(films: Films, rows: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weigh films: a source counts with the root of its films, and infected films as much as the others."""
    weights = films.weight[rows].astype(np.float64)
    source, infected = films.source[rows], films.infected[rows]
    for name in np.unique(source):
        for kind in (False, True):
            chosen = (source == name) & (infected == kind)
            weights[chosen] /= np.sqrt(max(1, chosen.sum()))
    for kind in (False, True):
        weights[infected == kind] *= len(weights) / 2 / weights[infected == kind].sum()
    return weights


def _scores_of(films: Films, groups: NDArray[Any]) -> NDArray[np.float64]:
    """Score every film by a probe that learned from the other *groups* alone."""
    scores = np.empty(len(groups))
    for group in np.unique(groups):
        probe = _fit(films, films.known & (groups != group))
        scores[groups == group] = probe(films.content[groups == group])
    return scores


def _thresholds(films: Films, scores: NDArray[np.float64]) -> tuple[float, float]:
    free = films.known & ~films.infected
    sources = np.unique(films.source[free])
    pairs = []
    for share in _SHARES:
        threshold = float(np.quantile(scores[films.reference], share))
        reached = scores[films.reference] >= threshold
        zones = _least(np.where(reached, films.zones[films.reference], -1.0))
        found = (scores >= threshold) & (films.zones >= zones)
        marked = sum(
            float(np.mean([says[free & (films.source == source)].mean() for source in sources]))
            for says in (found, films.zones >= zones)
        )
        if zones > 0:  # else the head alone misses too many
            pairs.append((marked, threshold, zones))
    _, threshold, zones = min(pairs)
    # Rounded up, each would miss the film that it is the score of.
    return float(np.floor(threshold * 1e4) / 1e4), float(np.floor(zones * 1e6) / 1e6)


def _found(films: Films, found: NDArray[np.bool_]) -> dict[str, Any]:
    """Count the films with a finding by source and group."""
    table = {}
    for source, group in sorted(set(zip(films.source.tolist(), films.group.tolist(), strict=True))):
        chosen = (films.source == source) & (films.group == group)
        count, total = int(found[chosen].sum()), int(chosen.sum())
        table[f"{source}, {group}"] = {
            "films": total,
            "found": count,
            "interval": wilson_interval(count, total),
        }
    return table
