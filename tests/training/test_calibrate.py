"""Temperatures and thresholds are chosen for what they are for."""

import numpy as np

from training.calibrate import _best_mask_cut, best_temperature, infection_threshold


def test_the_temperature_of_overconfident_logits_is_found():
    """Logits that are twice too sure are halved."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, 20000)
    truth = generator.random(20000) < 1 / (1 + np.exp(-logits))

    assert abs(best_temperature(2 * logits, truth) - 2) < 0.15


def test_the_infection_threshold_keeps_99_of_100_infected_images():
    """Sensitivity first; specificity as far as it goes."""
    infected = np.linspace(0.2, 1, 1000)
    normal = np.linspace(0, 0.5, 100)

    threshold = infection_threshold(infected, normal)

    assert (infected >= threshold).mean() >= 0.99
    assert (infected >= threshold + 0.002).mean() < 0.99


def test_the_infection_threshold_leaves_room_for_another_precision():
    """At the very score of an image float32 missed what bf16 had found (training/LOG.md, 2026-11-27)."""
    infected, normal = np.linspace(0.5, 1, 101), np.array([0.1, 0.2, 0.99])
    infected[0] = 0.3  # the one of 101 that may be missed

    threshold = infection_threshold(infected, normal)

    assert threshold == round((0.3 + infected[1]) / 2, 6)
    for shift in (-0.05, 0.05):
        assert (infected + shift >= threshold).sum() == 100


def test_where_the_groups_part_the_threshold_lies_between():
    """Nothing is gained by going to the edge of the infected."""
    assert 0.49 < infection_threshold(np.linspace(0.8, 1, 100), np.linspace(0, 0.2, 100)) < 0.51


def test_an_empty_mask_does_not_decide_the_masks_cut():
    """Its Dice would be no number where nothing is drawn, and the first cut would win whatever the others say."""
    chances, masks = np.full((2, 4, 4), 0.1), np.zeros((2, 4, 4), dtype=bool)
    masks[1, :2] = True
    chances[1], chances[1, :2] = 0.45, 0.9

    assert 0.45 < _best_mask_cut(chances, masks) <= 0.9
