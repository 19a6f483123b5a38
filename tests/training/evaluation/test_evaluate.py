"""The figures are what their names say."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.networks import one_pass_network
from tests.training.builders import as_kaggle, small_data_set, small_normals
from training.data import load_mask, read_normals, read_split
from training.evaluation.bootstrap import interval_of
from training.evaluation.evaluate import count, evaluate
from training.evaluation.metrics import mask_metrics, normal_metrics, zone_metrics


class Predicted:
    """A prediction, with only what counting needs."""

    def __init__(self, mask, zones):
        self.mask, self.zones = mask, zones


@pytest.fixture
def items(tmp_path):
    return read_split(small_data_set(tmp_path), "train")


def test_the_truth_scores_one_everywhere(items):
    """Perfect masks and zones."""
    counts = count(items, [Predicted(load_mask(item), item.zones) for item in items])
    figures = mask_metrics(counts) | zone_metrics(counts)

    assert set(figures.values()) == {1.0}


def test_micro_pools_pixels_and_mean_averages_images(items):
    """One image right, the others empty: both Dice figures by hand."""
    masks = [load_mask(item) for item in items]
    predictions = [
        Predicted(mask if place == 0 else np.zeros_like(mask), items[place].zones)
        for place, mask in enumerate(masks)
    ]

    figures = mask_metrics(count(items, predictions))

    first, total = masks[0].sum(), sum(mask.sum() for mask in masks)
    assert figures["dice_micro"] == pytest.approx(2 * first / (first + total))
    assert figures["dice_mean"] == pytest.approx(1 / len(items))
    assert figures["accuracy"] == pytest.approx(1 - (total - first) / (224 * 224 * len(items)))


def test_an_empty_prediction_for_an_empty_mask_is_right(items):
    """It scores 1 and is no missed infection. A prediction that is not empty scores 0."""
    masks = [np.zeros((224, 224), dtype=np.bool_), load_mask(items[1])]
    drawn = np.ones((224, 224), dtype=np.bool_)
    right = count(items[:2], [Predicted(masks[0], (False,) * 6), Predicted(masks[1], items[1].zones)], masks)
    wrong = count(items[:2], [Predicted(drawn, items[0].zones), Predicted(masks[1], items[1].zones)], masks)

    assert set(mask_metrics(right).values()) == {1.0}
    assert mask_metrics(wrong)["dice_mean"] == pytest.approx(0.5)
    assert mask_metrics(wrong)["sensitivity"] == 1.0
    empty = count(items[:1], [Predicted(masks[0], (False,) * 6)], masks[:1])
    assert {mask_metrics(empty)[f"{name}_micro"] for name in ("dice", "jaccard")} == {1.0}


def test_intervals_hold_the_figure_and_have_width(items):
    """The bootstrap draws other patients in each resample."""
    masks = [load_mask(item) for item in items]
    predictions = [
        Predicted(mask if place % 2 else np.zeros_like(mask), items[place].zones)
        for place, mask in enumerate(masks)
    ]
    counts = count(items, predictions)

    low, high = interval_of(counts, mask_metrics)["dice_mean"]

    assert low < mask_metrics(counts)["dice_mean"] < high


def test_every_figure_of_the_issue_is_there_with_its_interval(tmp_path, items):
    """Masks, zones, sentences and normals: the keys are the same for all weights."""
    normals = read_normals(small_normals(tmp_path / "normals"), "valid")

    figures = evaluate(one_pass_network(), items[:2], normals)

    assert figures["images"] == figures["captioned"] == 2
    assert f"{figures['device']} {figures['precision']}" in ("cpu float32", "cpu bfloat16", "cuda float16")
    for name in (
        *("dice_micro", "dice_mean", "jaccard_micro", "jaccard_mean", "accuracy", "sensitivity"),
        *("zone_accuracy", "zone_f1", "report_exact_match", "bleu_1", "bleu_4", "rouge_l"),
    ):
        low, high = figures[f"{name}_ci"]
        assert 0 <= low <= high <= 1, name
    assert figures["normals"]["images"] == 2
    for name in ("any_mask_rate", "any_finding_rate", "mean_area"):
        low, high = figures["normals"][f"{name}_ci"]
        assert low <= figures["normals"][name] <= high
    assert figures["report_ceiling"]["bleu_4"] == pytest.approx(1.0)  # these captions are in our own words
    low, high = figures["ms_per_image_ci"]
    assert 0 < low <= figures["ms_per_image"] <= high
    assert figures["empty_masks"] == 0


def test_a_folder_without_captions_is_measured_without_zones(tmp_path):
    """Masks are measured, and the result says why it has no figures of zones."""
    folder = as_kaggle(small_data_set(tmp_path / "sgseg", train=2), tmp_path / "kaggle")

    figures = evaluate(one_pass_network(), read_split(folder, "train"), [])

    assert figures["captioned"] == 0
    assert "dice_micro_ci" in figures
    assert not {name for name in figures if name.startswith(("zone_", "bleu", "rouge", "report"))}
    assert "no caption" in figures["zones"]


def test_each_figure_is_what_its_name_says(items):
    """Zones without a mask, and wrong zones: figures that are equal for perfect predictions differ here."""
    pair, empty, one = items[:2], np.zeros((224, 224), bool), (True, *(False,) * 5)
    named = count(pair, [Predicted(empty, one)] * 2)

    assert (mask_metrics(named)["sensitivity"], mask_metrics(named)["mask_sensitivity"]) == (1.0, 0.0)
    assert (normal_metrics(named)["any_finding_rate"], normal_metrics(named)["any_mask_rate"]) == (1.0, 0.0)
    wrong = [(not item.zones[0], *item.zones[1:]) for item in pair]
    figures = zone_metrics(count(pair, [Predicted(empty, zones) for zones in wrong]))
    assert figures["report_exact_match"] == 0
    assert figures["zone_accuracy"] == pytest.approx(5 / 6)


def test_jaccard_is_that_of_the_dice(items):
    """Of one image J = D / (2 - D)."""
    half = load_mask(items[0])
    half[: int(np.flatnonzero(half.any(axis=1)).mean())] = False
    figures = mask_metrics(count(items[:1], [Predicted(half, items[0].zones)]))

    assert 0.1 < figures["dice_micro"] < 0.95
    for kind in ("micro", "mean"):
        dice = figures[f"dice_{kind}"]
        assert figures[f"jaccard_{kind}"] == pytest.approx(dice / (2 - dice))


def test_the_bootstrap_draws_patients_and_not_images(items):
    """A right and a wrong image of one patient are drawn together: nothing varies."""
    same = [replace(item, name=f"sub-x_{place}") for place, item in enumerate(items[:2])]
    predictions = [
        Predicted(load_mask(same[0]), same[0].zones),
        Predicted(np.zeros((224, 224), bool), same[1].zones),
    ]

    low, high = interval_of(count(same, predictions), mask_metrics)["dice_mean"]

    assert low == high
