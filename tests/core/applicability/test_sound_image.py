"""All that the pixels are asked, together: image check, look and lungs, and which of them outweighs which."""

from dataclasses import replace

import numpy as np
import pytest
from pydicom import Dataset

from sgseg_dicom.applicability.image_check import LUNGS_OUTWEIGH, SURE_OF_SIDE, ImageCheckScores, Limits
from sgseg_dicom.applicability.sound_image import require_sound_image
from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.findings.lung_fields import lung_fields_of
from sgseg_dicom.records import DisplaySettings, ModelInput, Orientation, Radiograph
from tests.support.heads import LIMITS, look
from tests.support.predictions import both_lungs, drawn_lungs, with_lungs

SMALL = np.zeros((224, 224), np.float32)
BARE = both_lungs()
"""A prediction of weights without heads."""


class Check:
    """An image check that gives the scores it was made with."""

    limits = Limits(blank=2, saturated=2, **dict.fromkeys(ImageCheckScores._fields, 0.0))

    def __init__(self, **scores):
        self._scores = ImageCheckScores(**(dict.fromkeys(ImageCheckScores._fields, -9.0) | scores))

    def __call__(self, pixels):
        return self._scores


def film(*, stated=True, age=""):
    header = Dataset()
    header.PatientAge = age
    return Radiograph(
        header=header,
        pixels=SMALL,
        padding=None,
        orientation=Orientation(),
        spacing_mm=None,
        spacing_at_detector=False,
        display=DisplaySettings(sides_are_stated=stated),
    )


def reason(prediction, *, stated=True, age="", **checked):
    try:
        require_sound_image(
            film(stated=stated, age=age),
            ModelInput(pixels=SMALL),
            prediction.look,
            lung_fields_of(prediction.lungs),
            image_check=Check(**checked),
        )
    except NotApplicable as refusal:
        return refusal.reason
    return None


def with_look(**scores):
    return replace(with_lungs(BARE), look=look(**scores))


def one_lung():
    lungs = drawn_lungs()
    lungs[lungs == 2] = 0
    return with_lungs(BARE, lungs)


def test_two_lungs_outweigh_a_doubt_that_it_is_a_chest():
    """Up to a limit: where the image check is nearly sure, lungs are not believed."""
    doubt = LUNGS_OUTWEIGH - 0.01

    assert reason(with_lungs(BARE), not_chest=doubt) is None
    assert reason(with_lungs(BARE), not_chest=LUNGS_OUTWEIGH) == "not-a-chest-image"


@pytest.mark.parametrize("prediction", [BARE, one_lung()], ids=["no lung model", "one lung"])
def test_less_than_two_lungs_outweigh_nothing(prediction):
    """The image check alone decides."""
    assert reason(prediction, not_chest=0.0) == "not-a-chest-image"
    assert reason(prediction, not_chest=-0.01) is None


def test_lungs_outweigh_no_other_sign():
    """An upside-down chest has two lungs."""
    assert reason(with_lungs(BARE), upside_down=0.0) == "upside-down"


def test_without_heads_the_image_check_alone_tells_the_sides():
    """As before there were any."""
    assert reason(BARE, mirrored=0.0) == "mirrored"
    assert reason(BARE, stated=False, mirrored=-SURE_OF_SIDE) is None
    assert reason(BARE, stated=False, mirrored=-SURE_OF_SIDE + 0.01) == "side-unknown"


def test_with_heads_both_tell_the_sides_together():
    """An image check that is unsure is outweighed, and one that says nothing leaves the heads unsure."""
    assert reason(with_look(mirrored=-LIMITS.sure_of_side), stated=False, mirrored=-0.01) is None
    assert reason(with_look(mirrored=0.0), stated=False, mirrored=-0.01) == "side-unknown"
    assert reason(with_look(mirrored=LIMITS.mirrored + 1), mirrored=-2.0) == "mirrored"


def test_the_age_of_the_header_counts():
    """A small adult is judged where the header says so; a stated child's age is for the header's rules."""
    childlike = with_look(child=LIMITS.child)

    assert reason(childlike) == "child"
    assert reason(childlike, age="044Y") is None
    assert reason(childlike, age="010Y") == "child"
    assert reason(with_look(child=LIMITS.child_of_stated_adult), age="044Y") == "child"


def test_the_look_is_asked_before_the_outline_of_the_lungs():
    """A lateral film's lungs are no measure of what is cut off."""
    cut = with_lungs(BARE, drawn_lungs(right=(112, 0)))

    assert reason(cut) == "cut-off"
    assert reason(replace(cut, look=look(lateral=LIMITS.lateral))) == "lateral-view"
