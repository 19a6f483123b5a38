"""Temperatures and thresholds are chosen for what they are for."""

from types import SimpleNamespace

import numpy as np

from sgseg_dicom.inference.decision import infection_score
from tests.training.builders import small_data_set
from training.data import load_mask, read_split
from training.release.calibrate import _best_mask_cut, best_temperature, calibrate, infection_threshold


def test_the_temperature_of_overconfident_logits_is_found():
    """Logits that are twice too sure are halved."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, 20000)
    truth = generator.random(20000) < 1 / (1 + np.exp(-logits))

    assert abs(best_temperature(2 * logits, truth) - 2) < 0.15


def test_the_infection_threshold_keeps_99_of_100_infected_images():
    """Sensitivity comes first; then the threshold is as specific as possible."""
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


def test_scores_that_lie_close_cost_no_sensitivity():
    """The middle of a gap of a tenth of a millionth, written with six decimals, may lie above both."""
    infected = np.linspace(0.5, 1, 101)
    infected[:2] = 0.3000006, 0.3000007

    assert (infected >= infection_threshold(infected, np.array([0.99]))).mean() >= 0.99


def test_between_separate_groups_the_threshold_lies_in_the_middle():
    """A threshold at the lowest infected score would gain nothing."""
    assert 0.49 < infection_threshold(np.linspace(0.8, 1, 100), np.linspace(0, 0.2, 100)) < 0.51


def test_an_empty_mask_does_not_decide_the_masks_cut():
    """Its Dice would be no number if nothing is predicted, and the first cut would always win."""
    probabilities, masks = np.full((2, 4, 4), 0.1), np.zeros((2, 4, 4), dtype=bool)
    masks[1, :2] = True
    probabilities[1], probabilities[1, :2] = 0.45, 0.9

    assert 0.45 < _best_mask_cut(probabilities, masks) <= 0.9


def _prediction_of(zones, mask, *, high=0.65, low=0.35):
    probabilities = np.where(zones, high, low).astype(np.float32)
    return SimpleNamespace(
        mask_probability=np.where(mask, 0.8, 0.1).astype(np.float32), zone_probabilities=probabilities
    )


def test_temperature_and_thresholds_separate_what_the_captions_separate(tmp_path):
    """Right but uncertain zones get the lowest temperature, and normals stay below the infection threshold."""
    items = read_split(small_data_set(tmp_path), "train")
    predictions = [_prediction_of(item.zones, load_mask(item)) for item in items]
    normals = [_prediction_of((False,) * 6, np.zeros((224, 224), bool), low=0.3)] * 3

    calibration, thresholds = calibrate(items, predictions, normals)

    def sharpened(probability):
        return 1 / (1 + (1 / probability - 1) ** 2)  # at temperature 0.5

    assert calibration.zone_temperature == 0.5
    assert sharpened(0.35) < thresholds.zone <= sharpened(0.65)
    assert infection_score(np.full(6, sharpened(0.3), np.float32)) < thresholds.infection
