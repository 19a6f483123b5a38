"""A logistic regression finds what was planted."""

import numpy as np
import pytest

from training.heads.linear_probe import fit_probe, folds_of


@pytest.fixture(scope="module")
def planted():
    """Descriptors of other scales and means, of which two decide."""
    rng = np.random.default_rng(8)
    descriptors = rng.normal(size=(600, 6))
    positive = descriptors[:, 1] - descriptors[:, 4] + 0.1 * rng.normal(size=600) > 0.3
    return descriptors * [1, 10, 1, 100, 0.1, 1] + [0, 50, 3, 0, 0, -7], positive


def test_the_planted_direction_is_found(planted):
    """In the units of the descriptors, whatever these are."""
    descriptors, positive = planted
    probe = fit_probe(descriptors, positive, strength=1.0)

    weights = probe.weights * [1, 10, 1, 100, 0.1, 1]
    assert ((probe(descriptors) > 0) == positive).mean() > 0.97
    assert np.abs(weights[[0, 2, 3, 5]]).max() < 0.1 * np.abs(weights[[1, 4]]).min()
    assert weights[1] > 0 > weights[4]


def test_an_odd_probe_has_no_constant(planted):
    """The negative of a descriptor, that of the mirror image, has the negative score."""
    rng = np.random.default_rng(9)
    descriptors, positive = rng.normal((1, 0, 0), size=(200, 3)), np.arange(200) % 2 == 0
    descriptors[positive] *= -1

    probe = fit_probe(descriptors, positive, strength=1.0, odd=True)

    assert probe.constant == 0
    np.testing.assert_allclose(probe(-descriptors), -probe(descriptors))
    assert probe.weights[0] < 0
    assert fit_probe(*planted, strength=1.0).constant != 0


def test_films_weigh_what_they_are_given(planted):
    """A film of weight 0 teaches nothing."""
    descriptors, positive = planted
    weights = np.r_[np.ones(300), np.zeros(300)]
    wrong = np.r_[positive[:300], ~positive[300:]]

    probe = fit_probe(descriptors, wrong, strength=1.0, weights=weights)

    assert ((probe(descriptors) > 0) == positive).mean() > 0.95


def test_all_films_of_a_patient_are_in_one_fold():
    """And every fold has some; the deal does not depend on the order of the films."""
    patients = [f"p{number % 40}" for number in range(120)]

    folds = folds_of(patients, 5, seed=0)

    assert len({(patient, fold) for patient, fold in zip(patients, folds, strict=True)}) == 40
    assert set(folds) == set(range(5))
    assert (folds_of(patients[::-1], 5, seed=0) == folds[::-1]).all()
