"""Which zones a marked region reaches, and what is then reported of them."""

import numpy as np
import pytest

from sgseg_dicom.findings.measure import measure
from sgseg_dicom.findings.zone_extent import reached
from sgseg_dicom.language.language import load_language
from sgseg_dicom.records import Judgement
from sgseg_dicom.zones import ZONES, Laterality
from tests.support.builders import synthetic_chest
from tests.support.predictions import ORIENTATIONS, prediction, read_built, spot, stored_as

RIGHT_LUNG, LEFT_LUNG = slice(30, 90), slice(134, 194)  # columns of 224 in the standard display
WHOLE_RIGHT = [spot(row, 60, radius=22) for row in (40, 80, 120, 160)]


def lung(*bands, columns=RIGHT_LUNG, scale=1):
    """Mark rows of a lung, of 224."""
    mask = np.zeros((224, 224), dtype=bool)
    for start, stop in bands:
        mask[start:stop, columns] = True
    return mask.repeat(scale, axis=0).repeat(scale, axis=1)


@pytest.mark.parametrize("scale", [1, 3])
@pytest.mark.parametrize(
    ("bands", "levels"),
    [
        ([], ()),
        ([(20, 60)], ("upper",)),
        ([(62, 128)], ()),  # of either zone, so of none that can be said
        ([(140, 190)], ("lower",)),
        ([(20, 60), (140, 190)], ("upper", "lower")),
        ([(20, 190)], ("upper", "middle", "lower")),
        ([(57, 60)], ()),  # 180 pixels: too few to tell
        ([(130, 131)], ()),
    ],
)
def test_a_level_is_reached_where_its_rows_are_its_own(bands, levels, scale):
    """Whatever the image's size; the other lung is reached by nothing."""
    nothing = lung(scale=scale)

    right = reached(lung(*bands, scale=scale), nothing)
    left = reached(nothing, lung(*bands, columns=LEFT_LUNG, scale=scale))

    named = {zone.name for zone, bit in zip(ZONES, right, strict=True) if bit}
    assert named == {f"right {level}" for level in levels}
    assert left == right[3:] + right[:3]


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
def test_a_zone_that_the_region_reaches_is_not_called_free(orientation):
    """
    The whole lung is marked, and the sentence leaves its upper zone out: undetermined, however the image is stored.
    """
    predicted = prediction(*WHOLE_RIGHT, zones=["right middle", "right lower"])

    finding = measure(predicted, read_built(stored_as(orientation, synthetic_chest((256, 224)))))

    assert {zone.name: finding.judgement_of(zone) for zone in ZONES} == {
        "right upper": Judgement.UNDETERMINED,
        "right middle": Judgement.PRESENT,
        "right lower": Judgement.PRESENT,
        "left upper": Judgement.ABSENT,
        "left middle": Judgement.ABSENT,
        "left lower": Judgement.ABSENT,
    }
    assert finding.sentence == "Unilateral pulmonary infection, two infected areas, middle lower right lung."
    assert finding.exceeds_sentence(Laterality.RIGHT)
    assert not finding.exceeds_sentence(Laterality.LEFT)


def test_a_named_zone_stays_named():
    """That no pixel lies in it does not tell that it is free; and nothing is in doubt."""
    finding = measure(
        prediction(spot(160, 60), zones=["right upper", "right lower"]), read_built(pixels=synthetic_chest())
    )

    assert [finding.judgement_of(zone) for zone in ZONES[:3]] == ["present", "absent", "present"]
    assert not finding.exceeds_sentence(Laterality.RIGHT)


def test_a_lung_that_no_zone_names_is_in_doubt_as_a_whole():
    """And says so once."""
    finding = measure(
        prediction(*WHOLE_RIGHT, spot(95, 165), zones=["left middle"]), read_built(pixels=synthetic_chest())
    )

    language = load_language("en")
    assert {finding.judgement_of(zone) for zone in ZONES[:3]} == {Judgement.UNDETERMINED}
    assert language.doubts(finding) == [language.disagreement(Laterality.RIGHT)]
