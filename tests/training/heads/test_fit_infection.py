"""The threshold of the image-level judgement, chosen on planted films."""

from pathlib import Path

import numpy as np
import pytest

from sgseg_dicom.inference.decision import infection_score
from training.data import Item
from training.heads.fit_infection import REFERENCE, TAKEN, fit_infection
from training.heads.judged import Judged, JudgedFilm

COUNTS = {
    "qata": (300, True, "infected"),
    "normals": (200, False, "normal"),
    "nih": (60, False, "normal"),
    "jsrt": (100, False, "normal"),
    "cohen": (20, True, "covid"),
    "todo": (20, None, "not labelled"),
}
ZONES = 0.9
"""Least score of the zones; nearly all of what looks infected reaches it."""

ALWAYS_INFECTED = "jsrt"
"""The source whose films look infected to the zones, and to a head that never saw one of it."""


def planted(seed=0, *, learned=True):
    rng = np.random.default_rng(seed)
    films, content, zones = [], [], []
    for source, (count, infected, group) in COUNTS.items():
        looks_infected = infected is not False or source == ALWAYS_INFECTED
        for number in range(count):
            name = f"{source}_{number}"
            films.append(
                JudgedFilm(
                    item=Item(name=name, image=Path(name), mask=None, zones=None),
                    source=source,
                    group=group,
                    patient=name,
                    infected=infected,
                    learned=learned or source != ALWAYS_INFECTED,
                )
            )
            content.append([2 if looks_infected else -2, 8 if source == ALWAYS_INFECTED else 0, 0])
            zones.append(np.full(6, 0.5 if looks_infected else -5))
    content = np.array(content) + rng.normal(size=(len(films), 3))
    zones = np.array(zones) + rng.normal(size=(len(films), 6))
    return Judged(films=films, content=content.astype(np.float32), zone_logits=zones.astype(np.float32))


def share(figures, name):
    return figures[name]["found"] / figures[name]["films"]


@pytest.mark.parametrize("seed", range(4))
def test_the_reference_films_have_a_finding(seed):
    """All that the zones find but one in a thousand, at the threshold as it is written: rounding costs none."""
    fit = fit_infection(planted(seed), zone_temperature=1.5, zones_threshold=ZONES)

    found, by_zones = (fit.figures[kind][f"{REFERENCE}, infected"] for kind in ("folds", "zones alone"))
    assert found["films"] == 300
    assert by_zones["found"] > 200
    assert found["found"] >= (1 - TAKEN) * by_zones["found"] - 1e-9


def test_a_source_without_infections_is_quieted_when_it_is_learned_from():
    """The zones alone, and a head that does not know the source, mark nearly all of its films."""
    figures = fit_infection(planted(), zone_temperature=1.5, zones_threshold=ZONES).figures

    name = f"{ALWAYS_INFECTED}, normal"
    assert share(figures["zones alone"], name) > 0.9
    assert share(figures["source left out"], name) > 0.8
    assert share(figures["folds"], name) < 0.5 * share(figures["zones alone"], name)
    assert share(figures["folds"], "cohen, covid") > 0.8


def test_what_may_not_be_learned_from_is_measured_alone():
    """Then the source stays as loud as it was; films of which nobody knows are counted."""
    figures = fit_infection(planted(learned=False), zone_temperature=1.5, zones_threshold=ZONES).figures

    assert share(figures["folds"], f"{ALWAYS_INFECTED}, normal") > 0.8
    assert figures["folds"]["todo, not labelled"]["films"] == 20


def test_the_zones_are_calibrated_before_they_are_scored():
    """As the node does it: the threshold is one of `infection_score` of calibrated probabilities."""
    judged = planted()
    reference = [film.source == REFERENCE for film in judged.films]

    fit = fit_infection(judged, zone_temperature=3.0, zones_threshold=ZONES)

    probabilities = 1 / (1 + np.exp(-judged.zone_logits[reference] / 3.0))
    scores = np.array([infection_score(one) for one in probabilities])
    assert fit.figures["zones alone"][f"{REFERENCE}, infected"]["found"] == (scores >= ZONES).sum()
