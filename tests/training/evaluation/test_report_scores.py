"""BLEU and ROUGE-L are those of the library, and of the sentence that the captions would have."""

from dataclasses import replace

import numpy as np
import pytest
from torchmetrics.text import BLEUScore

from tests.training.builders import small_data_set
from training.data import read_split
from training.data.captions import caption_of
from training.evaluation.report_scores import count_reports, report_metrics


@pytest.fixture
def items(tmp_path):
    return read_split(small_data_set(tmp_path, train=8), "train")


def test_the_true_zones_give_the_caption_itself(items):
    """Left and right are swapped twice, and the lung on the image's left comes first, as in the captions."""
    assert [caption_of(item.zones) for item in items] == [item.caption for item in items]

    figures = report_metrics(count_reports(items, [item.zones for item in items]))

    assert figures == pytest.approx(dict.fromkeys(["bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l"], 1.0))


def test_sentences_shorter_than_four_words_have_a_score(items):
    """A split where no image has a finding: 0 if there is no n-gram, as in the library, and no NaN."""
    clear = [replace(item, zones=(False,) * 6, caption="no pulmonary infection.") for item in items]

    figures = report_metrics(count_reports(clear, [item.zones for item in clear]))

    assert (figures["bleu_3"], figures["bleu_4"]) == (1.0, 0.0)


def test_the_scores_are_the_librarys_over_the_whole_corpus(items):
    """Counts of single pairs add up to the score of torchmetrics over all sentences at once."""
    zones = [(True, False, False, False, True, False)] * len(items)
    sentence = caption_of(zones[0])

    figures = report_metrics(count_reports(items, zones))

    for n in range(1, 5):
        expected = BLEUScore(n_gram=n)([sentence] * len(items), [[item.caption] for item in items])
        assert figures[f"bleu_{n}"] == pytest.approx(float(expected), abs=1e-6)
    assert 0 < figures["bleu_4"] < figures["bleu_1"] < 1
    assert 0 < figures["rouge_l"] < 1


def test_only_the_images_taken_count(items):
    """A choice of images scores as if there were no others."""
    zones = [items[0].zones] * len(items)

    first = report_metrics(count_reports(items, zones).take(np.array([0, 0])))

    assert first["rouge_l"] == pytest.approx(1.0)
