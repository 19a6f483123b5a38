"""What the heads say of the look decides, beside the header: laterals, children and mirrored images are refused."""

import pytest

from sgseg_dicom.applicability.image_look import require_adult_frontal_look
from sgseg_dicom.errors import NotApplicable
from tests.support.heads import CALM, LIMITS, look

JUST = 0.01


def reason(*, checked=0.0, adult=False, stated=True, **scores):
    try:
        require_adult_frontal_look(
            look(**scores), checked_mirrored=checked, adult_is_stated=adult, sides_are_stated=stated
        )
    except NotApplicable as refusal:
        return refusal.reason
    return None


def test_a_good_film_is_judged():
    """Stated or not."""
    assert reason() is None
    assert reason(adult=True, stated=False) is None


@pytest.mark.parametrize(
    ("sign", "expected"), [("lateral", "lateral-view"), ("child", "child"), ("mirrored", "mirrored")]
)
def test_each_look_is_refused_from_its_limit_on(sign, expected):
    """At the limit, and not just below."""
    limit = getattr(LIMITS, sign)

    assert reason(**{sign: limit}) == expected
    assert reason(**{sign: limit - JUST}) is None


def test_a_stated_adult_may_look_like_a_child_up_to_a_limit_of_its_own():
    """Some adults are small; a birth date that belongs to somebody else must not pass a child."""
    own = LIMITS.child_of_stated_adult

    assert reason(child=LIMITS.child, adult=True) is None
    assert reason(child=own - JUST, adult=True) is None
    assert reason(child=own, adult=True) == "child"


def test_the_text_about_a_child_fits_what_is_stated():
    """Nobody is told to state an age that is stated."""
    for adult, words in ((False, "state the patient's age"), (True, "the stated age says otherwise")):
        with pytest.raises(NotApplicable, match=words):
            require_adult_frontal_look(
                look(child=9.0), checked_mirrored=0.0, adult_is_stated=adult, sides_are_stated=True
            )


def test_unstated_sides_must_be_seen_surely():
    """From the limit of sureness on; what is stated needs none, and what looks mirrored is called that."""
    sure = -LIMITS.sure_of_side

    assert reason(mirrored=sure, stated=False) is None
    assert reason(mirrored=sure + JUST, stated=False) == "side-unknown"
    assert reason(mirrored=sure + JUST, stated=True) is None
    assert reason(mirrored=LIMITS.mirrored, stated=False) == "mirrored"


def test_the_image_check_counts_with_its_weight():
    """Its score is added to that of the heads, for both limits of the sides."""
    weight = LIMITS.check_weight

    assert reason(mirrored=LIMITS.mirrored - weight, checked=1.0) == "mirrored"
    assert reason(mirrored=LIMITS.mirrored - weight, checked=1.0 - 2 * JUST) is None
    assert reason(mirrored=LIMITS.mirrored, checked=-1.0) is None
    unsure = -LIMITS.sure_of_side + weight
    assert reason(mirrored=unsure, checked=-1.0, stated=False) is None
    assert reason(mirrored=unsure, checked=-1.0 + 2 * JUST, stated=False) == "side-unknown"


def test_the_first_fault_is_the_reason():
    """A lateral film has no sides, and its age cannot be seen."""
    assert reason(lateral=9.0, child=9.0, mirrored=9.0) == "lateral-view"
    assert reason(child=9.0, mirrored=9.0) == "child"
    assert all(score < 0 for score in CALM)
