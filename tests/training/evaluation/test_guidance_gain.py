"""The gain of guidance is a difference of two figures on the same patients."""

import numpy as np
import pytest

from tests.support.networks import tiny_network
from tests.training.builders import small_data_set
from tests.training.evaluation.test_evaluate import Predicted
from training.data import load_mask, read_split
from training.evaluation.bootstrap import interval_of
from training.evaluation.evaluate import count, predict
from training.evaluation.guidance_gain import Pair, gain_of, guidance_gain
from training.evaluation.metrics import mask_metrics


@pytest.fixture
def items(tmp_path):
    return read_split(small_data_set(tmp_path, train=12), "train")


def half_of(mask):
    """A mask with its upper half left away."""
    rows = np.flatnonzero(mask.any(axis=1))
    return mask & (np.arange(len(mask)) >= rows.mean())[:, None]


def judged(items, change):
    return count(items, [Predicted(change(load_mask(item)), item.zones) for item in items])


def test_the_gain_is_the_difference_and_its_interval_is_paired(items):
    """
    Right against half right: the gain's interval is narrower than that of the figures which it is made of.
    """
    pair = Pair(guided=judged(items, lambda mask: mask), unguided=judged(items, half_of))

    gain = gain_of(pair)
    low, high = interval_of(pair, gain_of)["dice_micro"]

    expected = 2 * pair.unguided.overlap.sum() / (pair.unguided.predicted + pair.unguided.true).sum()
    assert gain["dice_micro"] == pytest.approx(1 - expected)
    assert 0 < low <= gain["dice_micro"] <= high
    (unguided,) = {interval_of(pair.unguided, mask_metrics)["dice_micro"]}
    assert high - low <= unguided[1] - unguided[0]


def test_no_difference_has_no_width(items):
    """Drawing patients for both at once, what is equal stays equal in every draw."""
    pair = Pair(guided=judged(items, half_of), unguided=judged(items, half_of))

    assert interval_of(pair, gain_of) == {"dice_micro": (0.0, 0.0), "dice_mean": (0.0, 0.0)}


def test_one_sentence_guides_otherwise_than_the_expectation(items):
    """The zones are the same either way; the masks are not, and both figures are given."""
    network = tiny_network()
    by_report, by_sentence = (
        predict(network, items[:4], guided_by=guided_by) for guided_by in ("generated", "sentence")
    )
    assert [one.zone_probabilities.tolist() for one in by_report] == [
        one.zone_probabilities.tolist() for one in by_sentence
    ]
    assert any(
        not np.array_equal(one.mask_probability, other.mask_probability)
        for one, other in zip(by_report, by_sentence, strict=True)
    )
    figures = guidance_gain(network, items[:4], against="sentence")
    assert {"generated", "sentence", "guidance_gain"} <= set(figures)
