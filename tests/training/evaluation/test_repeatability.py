"""The noise of the share of a lung, and its error: what the figures mean."""

import math

import numpy as np
import pytest
from PIL import Image

from sgseg_dicom.model_records import INPUT_SIZE, Prediction
from sgseg_dicom.zones import Laterality
from tests.support.predictions import drawn_lungs, prediction, spot, with_lungs
from training.data import Item
from training.evaluation.repeatability import FORMS, MIXED, Form, coefficients_of, mixtures, shares_in_forms
from training.evaluation.share_error import errors_of, mask_rows, share_of


class Bright:
    """A model that marks a spot where the film is brightest."""

    def judge_each(self, inputs) -> list[Prediction]:
        rows = [np.unravel_index(one.pixels.argmax(), one.pixels.shape) for one in inputs]
        return [with_lungs(prediction(spot(*map(int, row)), zones=["right middle"])) for row in rows]


@pytest.fixture
def item(tmp_path) -> Item:
    film = np.full((INPUT_SIZE, INPUT_SIZE), 40, np.uint8)
    film[100:110, 55:65] = 250
    mask = np.zeros_like(film)
    mask[90:120, 45:75] = 255
    for name, pixels in (("film", film), ("mask", mask)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return Item(name="film", image=tmp_path / "film.png", mask=tmp_path / "mask.png", zones=None)


def test_the_film_as_it_is_stays_as_it_is():
    """No form but those that are named changes anything."""
    film = np.linspace(0, 1, 30 * 20, dtype=np.float32).reshape(30, 20)

    assert np.allclose(Form().of(film), film, atol=1e-6)


def test_a_shift_and_a_size_move_what_is_shown_as_they_say():
    """A tenth of the width to one side; half the size has half the rows."""
    film = np.zeros((40, 40), np.float32)
    film[:, 20] = 1

    assert Form(across=0.1).of(film)[20].argmax() == 16
    assert Form(size=0.5).of(film).shape == (20, 20)


def test_the_same_film_is_mixed_in_the_same_way_at_each_run():
    """Figures can be made again."""
    assert mixtures(3) == mixtures(3)
    assert mixtures(3) != mixtures(4)


def test_each_form_of_a_film_gives_the_share_of_each_lung(item):
    """In percent; a lung without a mark has 0."""
    (row,) = shares_in_forms(Bright(), [item])

    assert set(row) == {"film", "as it is", MIXED, *FORMS}
    assert row["as it is"][0]["R"] == pytest.approx(11.3, abs=0.5)
    assert row["as it is"][0]["L"] == 0


def test_the_coefficient_is_that_of_bland_and_altman():
    """1.96 times the root of two times the deviation within a film, over all films of a band."""
    percents = ((10.0, 12.0), (14.0, 12.0))  # variances within: 2 and 2
    rows = [
        {"as it is": [{"R": one[0], "L": None}], MIXED: [{"R": value, "L": None} for value in one]}
        for one in percents
    ]

    figures = coefficients_of(rows)

    (band,) = [band for band in figures["by_percent"] if band["lungs"]]
    assert (band["from"], band["lungs"], figures["lost"]) == (5.0, 2, 2)
    assert band["coefficient"] == pytest.approx(1.96 * math.sqrt(2) * math.sqrt(2))
    assert figures["by_form"][MIXED] == {"mean": 0.0, "absolute_95": pytest.approx(2.0)}


def test_the_error_of_a_share_is_told_minus_true():
    """By lung, in percentage points; a lung that was not found is counted and left out."""
    rows = [
        {"R": {"told": 12.0, "true": 10.0}, "L": {"told": None, "true": 3.0}},
        {"R": {"told": 16.0, "true": 20.0}, "L": {"told": 0.0, "true": 1.0}},
    ]

    figures = errors_of(rows)

    assert (figures["right"]["mean_absolute_error"], figures["right"]["mean_error"]) == (3.0, -1.0)
    assert (figures["left"]["lungs"], figures["left"]["not_found"]) == (1, 1)
    assert figures["both"]["lungs"] == 3


def test_the_true_share_is_that_of_the_experts_mask_in_the_lung(item):
    """Of a mask beside the lung nothing counts."""
    (row,) = mask_rows(Bright(), [item])
    lungs = drawn_lungs()
    mask = np.zeros(lungs.shape, dtype=bool)
    mask[90:120, 45:75] = True

    assert row["R"]["true"] == pytest.approx(100 * share_of(mask, lungs == 1), abs=0.2)
    assert row["L"]["true"] == 0
    assert share_of(mask, np.zeros_like(mask)) == 0
    assert Laterality.RIGHT.value in row
