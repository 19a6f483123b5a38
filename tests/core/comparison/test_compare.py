"""More, less, or no clear change."""

import json
from datetime import date

import pytest

from sgseg_dicom.comparison.compare import Change, LungChange, compare
from sgseg_dicom.comparison.films import EarlierFilm, Moment
from sgseg_dicom.comparison.repeatability import (
    REPEATABILITY_FILE,
    read_repeatability,
    repeatability_of,
)
from sgseg_dicom.errors import WeightsError
from sgseg_dicom.zones import Laterality
from tests.support.comparing import EARLIER, NOW, REPEATABILITY, compared

RIGHT, LEFT = Laterality.RIGHT, Laterality.LEFT


def film(day: str, **shares: float) -> EarlierFilm:
    return EarlierFilm(
        taken=Moment(day),
        reference=EARLIER,
        shares={Laterality(side): share for side, share in shares.items()},
    )


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (0.100, 0.121, Change.MORE),
        (0.121, 0.100, Change.LESS),
        (0.100, 0.120, Change.UNCLEAR),
        (0.100, 0.1204, Change.UNCLEAR),  # 12.0 as it is written
        (0.0, 0.0, Change.UNCLEAR),
    ],
)
def test_a_change_is_a_difference_above_the_limit(before, now, expected):
    """By the numbers as they are written: a reader with a pencil comes to the same."""
    assert LungChange(side=RIGHT, before=before, now=now, limit=2.0).change is expected


def test_the_limit_grows_with_what_is_marked_up_to_its_highest():
    """As the noise does."""
    assert REPEATABILITY.limit(0, 0) == 1.0
    assert REPEATABILITY.limit(10, 30) == 3.0
    assert REPEATABILITY.limit(100, 100) == 9.0


def test_the_nearest_earlier_film_is_the_one_that_is_spoken_of():
    """All of them are the points of the line."""
    found = compare(NOW, {RIGHT: 0.5}, [film("20240101", R=0.1), film("20240401", R=0.3)], REPEATABILITY)

    assert found is not None
    assert found.prior.taken.date == "20240401"
    assert [one.shares[RIGHT] for one in found.earlier] == [0.1, 0.3]
    assert [(one.before, one.now) for one in found.lungs] == [(0.3, 0.5)]


@pytest.mark.parametrize(
    ("now", "earlier"),
    [
        ({RIGHT: 0.5}, []),
        ({RIGHT: 0.5}, [film("20240101", L=0.1)]),
        ({RIGHT: 0.0, LEFT: 0.0}, [film("20240101", R=0.0, L=0.0)]),
        ({}, [film("20240101", R=0.2)]),
    ],
)
def test_without_a_lung_that_is_marked_on_one_of_both_there_is_no_word(now, earlier):
    """No earlier film, no lung in common, or nothing on either."""
    assert compare(NOW, now, earlier, REPEATABILITY) is None


def test_another_earlier_film_is_another_form():
    """Other words are another object; the same ones are the same."""
    forms = [compared({RIGHT: share})[1].comparison.form for share in (0.2, 0.2, 0.3)]

    assert forms[0] == forms[1]
    assert forms[1] != forms[2]


def test_what_was_measured_with_other_weights_compares_nothing(tmp_path):
    """The limit belongs to one set of weights; a damaged file is an error, and a missing one is none."""
    written = {**REPEATABILITY.model_dump(), "weights": "ours"}
    (tmp_path / REPEATABILITY_FILE).write_text(json.dumps(written))

    assert read_repeatability(tmp_path, weights="ours") is not None
    assert read_repeatability(tmp_path, weights="others") is None
    assert read_repeatability(tmp_path / "none", weights="ours") is None
    (tmp_path / REPEATABILITY_FILE).write_text("{}")
    with pytest.raises(WeightsError, match=REPEATABILITY_FILE):
        read_repeatability(tmp_path, weights="ours")


def test_the_weights_that_ship_have_a_measured_repeatability():
    """And it says what was measured, when, and how."""
    found = repeatability_of(None)

    assert found is not None
    assert date.fromisoformat(found.source["date"])
    assert "sgseg-train repeatability" in found.source["command"]
