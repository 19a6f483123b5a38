"""The figures: each is drawn from real weights, and shows what it says."""

import numpy as np
import pytest
from PIL import Image

from tests.support.networks import one_pass_network
from tests.training.builders import small_data_set
from training.data import read_split
from training.paper.figures import draw_figures, importance_of_words, reliability
from training.start.pretrained import load_text_encoder


@pytest.fixture(scope="module")
def network():
    return one_pass_network()


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    return read_split(small_data_set(tmp_path_factory.mktemp("data"), train=2, valid=5), "valid")


@pytest.fixture(scope="module")
def tokenizer():
    return load_text_encoder("minilm").tokenizer


def test_all_figures_are_drawn(network, items, tokenizer, tmp_path):
    """Each is a picture with something on it."""
    paths = draw_figures(network, items, tokenizer, out=tmp_path)
    assert [path.stem for path in paths] == [
        "words", "masks", "reports", "attention", "calibration", "lesion-size",
    ]  # fmt: skip
    for path in paths:
        assert np.asarray(Image.open(path).convert("L")).std() > 1


def test_padding_has_no_importance(network, items, tokenizer):
    """The importance adds up to one, and no padding token has any."""
    from sgseg_dicom.zones import report_of

    importance = importance_of_words(network, items[0])
    spoken = len(tokenizer(report_of(items[0].zones))["input_ids"])
    assert importance.sum() == pytest.approx(1)
    assert importance[:spoken].sum() == pytest.approx(1)


def test_probabilities_that_fit_the_frequencies_have_no_calibration_error():
    """They give 0; probabilities that are too high give the difference."""
    predicted = np.full(1000, 0.8)
    assert reliability(predicted, np.arange(1000) < 800)[2] == pytest.approx(0)
    assert reliability(predicted, np.arange(1000) < 500)[2] == pytest.approx(0.3)
