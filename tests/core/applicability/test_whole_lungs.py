"""Lungs that the edge, padding or a shutter cuts are measured, and refused from a limit on."""

import numpy as np
import pytest

from sgseg_dicom.applicability.whole_lungs import MOST_CUT, cut_shares, require_whole_lungs
from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.findings.lung_fields import lung_fields_of
from sgseg_dicom.zones import Laterality
from tests.support.predictions import drawn_lungs

RIGHT, LEFT = Laterality


def shares(lungs, padding=None):
    return cut_shares(lung_fields_of(lungs), padding)


def test_whole_lungs_have_no_outline_at_the_edge():
    """Nothing is cut."""
    assert shares(drawn_lungs()) == {RIGHT: 0.0, LEFT: 0.0}


def test_a_costophrenic_angle_that_touches_the_edge_is_little():
    """Many real films are so."""
    share = shares(drawn_lungs(right=(145, 62)))[RIGHT]

    assert 0 < share < MOST_CUT / 2


@pytest.mark.parametrize(
    ("lungs", "side"),
    [
        (drawn_lungs(right=(112, 0)), RIGHT),
        (drawn_lungs(left=(112, 223)), LEFT),
        (drawn_lungs(right=(223, 62), left=(223, 162), size=(80, 45)), RIGHT),
    ],
    ids=["right side", "left side", "below"],
)
def test_a_lung_that_the_edge_cuts_through_is_refused(lungs, side):
    """Lengthwise, or at half its height."""
    assert shares(lungs)[side] > MOST_CUT
    with pytest.raises(NotApplicable, match=f"cuts the {side.word} lung") as told:
        require_whole_lungs(lung_fields_of(lungs), None)
    assert told.value.reason == "cut-off"


def test_padding_cuts_like_an_edge():
    """Over the outer half of a lung; a lung that lies all under it has 1."""
    padding = np.zeros((224, 224), bool)
    padding[:, 162:] = True
    assert shares(drawn_lungs(), padding)[LEFT] == pytest.approx(
        shares(drawn_lungs(left=(112, 223)))[LEFT], abs=0.02
    )
    padding[:, 112:] = True
    assert shares(drawn_lungs(), padding) == {RIGHT: 0.0, LEFT: 1.0}


def test_without_a_lung_model_nothing_is_refused():
    """Weights of before."""
    require_whole_lungs(lung_fields_of(None), np.ones((224, 224), bool))
