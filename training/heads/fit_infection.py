"""Train the image-level judgement, and choose its threshold."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.inference.decision import infection_score
from training.evaluation.wilson import wilson_interval
from training.heads.judged import Judged
from training.heads.linear_probe import LinearProbe, fit_probe, folds_of

FOLDS, SEED = 5, 0
STRENGTH = 1e-3
REFERENCE = "qata"
TAKEN = 0.001
"""Share of the infected films of QaTa-COV19's valid split that the zones find, and that the head may take away."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class InfectionFit:
    """
    The image-level judgement.

    Attributes:
        probe: learned from all films that may be learned from.
        threshold: least log odds of the probe.
        figures: films with a finding by source, by folds and with each source left out.
    """

    probe: LinearProbe
    threshold: float
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


def fit_infection(judged: Judged, *, zone_temperature: float, zones_threshold: float) -> InfectionFit:
    """
    Fit the probe on all sources, balanced by source and kind; choose its threshold on folds.

    The zones' threshold stays: of a source that was not learned from the head says nearly always "infected", and
    there the zones decide as before. The head may take `TAKEN` of the reference films that they find.

    Args:
        judged: films, with what was read of them.
        zone_temperature, zones_threshold: of the weights (`Calibration.zone_temperature`, `Thresholds.infection`).
    """
    films = Films(judged, zone_temperature)
    by_zones = films.zones >= zones_threshold
    scores = _scores_of(films, films.folds)
    threshold = _threshold(scores[films.reference & by_zones])
    # The reference source has no normal films of its own: it is never left out.
    sources = np.where(films.source == REFERENCE, films.folds.astype(str), films.source)
    left_out = _scores_of(films, sources)
    return InfectionFit(
        probe=_fit(films, films.known),
        threshold=threshold,
        figures={
            "folds": _found(films, (scores >= threshold) & by_zones),
            "source left out": _found(films, (left_out >= threshold) & by_zones),
            "zones alone": _found(films, by_zones),
        },
    )


def _threshold(scores: NDArray[np.float64]) -> float:
    """Give the score that all but `TAKEN` of the films reach, rounded down."""
    ordered = np.sort(scores)
    # Rounded up it would miss the film that it is the score of.
    return float(np.floor(ordered[int(TAKEN * len(ordered))] * 1e4) / 1e4)


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
