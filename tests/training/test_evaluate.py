"""The figures are what their names say."""

import numpy as np
import pytest

from tests.training.builders import small_data_set
from training.data import load_mask, read_qata
from training.evaluate import bootstrap, count, metrics


class Said:
    """A prediction, as far as counting asks."""

    def __init__(self, mask, zones):
        self.mask, self.zones = mask, zones


@pytest.fixture
def items(tmp_path):
    return read_qata(small_data_set(tmp_path), "train")


def test_the_truth_scores_one_everywhere(items):
    """Perfect masks and zones."""
    figures = metrics(count(items, [Said(load_mask(item), item.zones) for item in items]))

    assert set(figures.values()) == {1.0}


def test_micro_pools_pixels_and_mean_averages_images(items):
    """One image right, the others empty: both Dice figures by hand."""
    masks = [load_mask(item) for item in items]
    said = [
        Said(mask if place == 0 else np.zeros_like(mask), items[place].zones)
        for place, mask in enumerate(masks)
    ]

    figures = metrics(count(items, said))

    first, total = masks[0].sum(), sum(mask.sum() for mask in masks)
    assert figures["dice_micro"] == pytest.approx(2 * first / (first + total))
    assert figures["dice_mean"] == pytest.approx(1 / len(items))
    assert figures["accuracy"] == pytest.approx(1 - (total - first) / (224 * 224 * len(items)))


def test_intervals_hold_the_figure_and_have_width(items):
    """The bootstrap draws patients again, not the same ones."""
    masks = [load_mask(item) for item in items]
    said = [
        Said(mask if place % 2 else np.zeros_like(mask), items[place].zones)
        for place, mask in enumerate(masks)
    ]
    counts = count(items, said)

    low, high = bootstrap(counts)["dice_mean"]

    assert low < metrics(counts)["dice_mean"] < high
