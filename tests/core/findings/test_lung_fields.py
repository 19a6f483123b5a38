"""Lungs that are found: sides, shares, zones, and what is then reported."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sgseg_dicom.findings.lung_fields import lung_fields_of, zone_rows
from sgseg_dicom.findings.measure import measure
from sgseg_dicom.language.language import ENGLISH
from sgseg_dicom.model_records import LEFT_LUNG, RIGHT_LUNG
from sgseg_dicom.records import Judgement
from sgseg_dicom.zone_judgement import ABSENT_BELOW, PRESENT_FROM, judged_by_share
from sgseg_dicom.zones import ZONES, Laterality, mirrored
from tests.support.builders import synthetic_chest
from tests.support.predictions import (
    IMAGE_LEFT,
    ORIENTATIONS,
    both_lungs,
    drawn_lungs,
    prediction,
    read_built,
    spot,
    stored_as,
    with_lungs,
)

RIGHT, LEFT = Laterality
SMALL = read_built(pixels=synthetic_chest((224, 224)))


def mirror(lungs):
    """The mirrored film's lungs: the patient's right one is again at the image's left."""
    return np.array([0, LEFT_LUNG, RIGHT_LUNG], np.uint8)[lungs[:, ::-1]]


def test_both_lungs_are_found_with_their_centres():
    """Where they were drawn, in parts of the image's width."""
    fields = lung_fields_of(drawn_lungs())

    assert list(fields) == [RIGHT, LEFT]
    assert [field.centre for field in fields.values()] == pytest.approx([62.5 / 224, 162.5 / 224])


def test_specks_are_no_lung_and_holes_are():
    """A speck beside it goes, a hole in it is filled, and the two halves of a lung stay."""
    lungs = drawn_lungs()
    whole = lungs == RIGHT_LUNG
    lungs[2:5, 2:5] = RIGHT_LUNG
    lungs[100:104, 60:64] = 0
    np.testing.assert_array_equal(lung_fields_of(lungs)[RIGHT].mask, whole)
    lungs[112:116, :100] = 0
    assert lung_fields_of(lungs)[RIGHT].mask.sum() == pytest.approx(whole.sum(), rel=0.1)


@pytest.mark.parametrize("lungs", [np.zeros((224, 224), np.uint8), mirror(drawn_lungs())[:, ::-1]])
def test_no_lungs_and_lungs_the_wrong_way_round_are_not_found(lungs):
    """Sides that contradict the standard display tell nothing."""
    assert lung_fields_of(np.ascontiguousarray(lungs)) == {}


@pytest.mark.parametrize("shape", [(224, 224), (301, 203), (1201, 999), (2000, 1800)])
def test_an_enlarged_lung_is_the_drawn_one_smoothly(shape):
    """Its area is the ellipse's, and its border has no steps of the network's pixels."""
    field = lung_fields_of(drawn_lungs())[RIGHT]
    lung = field.enlarged(shape)
    y, x = (np.indices(shape) + 0.5) * np.array([224 / shape[0], 224 / shape[1]])[:, None, None] - 0.5
    ideal = ((y - 112) / 80) ** 2 + ((x - 62) / 36) ** 2 <= 1
    drawn = np.zeros(shape, bool)
    drawn[lung.rows, lung.columns] = lung.mask

    assert lung.size == drawn.sum()
    assert (drawn ^ ideal).sum() < 0.03 * ideal.sum()
    assert sum(rows.stop - rows.start for rows in zone_rows(lung)) == drawn.any(axis=1).sum()


@pytest.mark.parametrize("zones", [["right lower"], ["left lower"]])
@pytest.mark.parametrize("shape", [(224, 224), (256, 220)])
def test_a_region_of_a_patient_off_the_centre_goes_whole_to_its_lung(shape, zones):
    """The right lung reaches over the image's middle: the lungs tell, not the middle, nor what the sentence names."""
    lungs = drawn_lungs(right=(112, 100), left=(112, 182))
    predicted = with_lungs(prediction(spot(130, 112, radius=16), zones=zones), lungs)

    finding = measure(predicted, read_built(pixels=synthetic_chest(shape)))

    assert [region.laterality for region in finding.regions] == [RIGHT]
    assert finding.lung_shares[RIGHT] > 0.05
    assert finding.lung_shares[LEFT] == 0
    assert not {ENGLISH.possible_assumptions[0]} & set(ENGLISH.assumptions(finding, SMALL))


def test_a_region_across_both_lungs_is_cut_between_them():
    """Nothing lost, nothing twice."""
    predicted = with_lungs(prediction(spot(112, 112, radius=50), zones=["right middle", "left middle"]))

    right, left = measure(predicted, SMALL).regions

    np.testing.assert_array_equal(right.mask ^ left.mask, predicted.mask)
    assert not right.mask[:, 113:].any()
    assert not left.mask[:, :112].any()


def test_what_lies_outside_both_lungs_is_dropped_and_said():
    """A region of the lung stays; what is marked in a corner goes."""
    inside, outside = spot(*IMAGE_LEFT), spot(212, 112, radius=8)
    finding = measure(with_lungs(prediction(inside, outside, zones=["right middle"])), SMALL)

    assert [region.laterality for region in finding.regions] == [RIGHT]
    assert finding.dropped_share == pytest.approx((outside >= 0.5).mean())
    assert ENGLISH.dropped in ENGLISH.doubts(finding)
    assert finding.judgement_of(ZONES[1]) is Judgement.PRESENT


def test_where_all_is_dropped_a_named_lung_is_undetermined_and_never_free():
    """The sentence names a zone, and no region is left."""
    finding = measure(with_lungs(prediction(spot(212, 112, radius=8), zones=["right middle"])), SMALL)

    assert finding.regions == ()
    assert finding.is_positive
    assert {finding.judgement_of(zone) for zone in ZONES[:3]} == {Judgement.UNDETERMINED}
    assert finding.severity is None
    assert ENGLISH.doubts(finding) == [ENGLISH.disagreement(RIGHT), ENGLISH.dropped]


def test_where_one_lung_is_missing_the_middle_tells_and_the_report_says_so():
    """The share of the lung that is there is measured all the same."""
    lungs = np.where(drawn_lungs() == LEFT_LUNG, 0, drawn_lungs()).astype(np.uint8)
    finding, before = measure(with_lungs(both_lungs(), lungs), SMALL), measure(both_lungs(), SMALL)

    for found, wanted in zip(finding.regions, before.regions, strict=True):
        np.testing.assert_array_equal(found.mask, wanted.mask)
    assert list(finding.lung_shares) == [RIGHT]
    assert finding.zone_shares is finding.share_of_both is finding.severity is None
    assert ENGLISH.possible_assumptions[0] in ENGLISH.assumptions(finding, SMALL)


def test_without_a_lung_model_nothing_is_measured_of_the_lungs():
    """Weights of before."""
    finding = measure(both_lungs(), SMALL)

    assert (finding.lung_centres, dict(finding.lung_shares), finding.zone_shares) == (None, {}, None)
    said = ENGLISH.lung_extents(finding)
    assert len(said) == 2
    assert all("of the image's area; the lung's own area was not found" in words for words in said)


def test_where_nothing_is_marked_no_score_is_told():
    """A score of 0 would read as a judgement of the lungs."""
    finding = measure(with_lungs(prediction()), SMALL)

    assert finding.zone_shares == (0.0,) * 6
    assert finding.severity == (0, 0)
    assert ENGLISH.lung_extents(finding) == []
    assert {finding.judgement_of(zone) for zone in ZONES} == {Judgement.ABSENT}


def test_shares_and_score_are_told():
    """Of each marked lung, of both, and the score with its definition."""
    finding = measure(with_lungs(both_lungs()), SMALL)
    told = ENGLISH.lung_extents(finding)

    share = finding.lung_shares[RIGHT]
    assert share == pytest.approx(
        (both_lungs().mask & (drawn_lungs() == 1)).sum() / (drawn_lungs() == 1).sum()
    )
    assert (
        told[0] == f"Infected region, right lung: {100 * share:.1f} % of the right lung's area in this image."
    )
    assert told[2].startswith("Both lungs together: ")
    assert told[3].startswith("Severity score 2 of 8 (right lung 1, left lung 1), by the marked share")


@pytest.mark.parametrize(("probability", "expected"), [(0.5, "undetermined"), (0.95, "present")])
def test_a_named_zone_that_is_hardly_marked_needs_a_sure_network(probability, expected):
    """The region lies in the lower zone, the sentence names the upper one too."""
    predicted = with_lungs(prediction(spot(165, 60), zones=["right upper", "right lower"]))
    predicted = replace(predicted, zone_probabilities=np.full(6, probability, np.float32))

    finding = measure(predicted, SMALL)

    assert [finding.judgement_of(zone) for zone in ZONES[:3]] == [expected, "absent", "present"]
    unsure = expected == "undetermined"
    assert ENGLISH.doubts(finding) == ([ENGLISH.difference(RIGHT)] if unsure else [])


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
def test_shares_are_the_same_however_the_image_is_stored(orientation):
    """And regions lie over the same pixels."""
    shown = synthetic_chest((256, 220))
    found = measure(with_lungs(both_lungs()), read_built(stored_as(orientation, shown)))
    wanted = measure(with_lungs(both_lungs()), read_built(pixels=shown))

    assert found.zone_shares == wanted.zone_shares
    for one, other in zip(found.regions, wanted.regions, strict=True):
        np.testing.assert_array_equal(orientation.to_display(one.mask), other.mask)


def test_padding_takes_its_part_of_the_lung_away():
    """What is hidden was not judged: the share is of what is seen."""
    pixels = synthetic_chest((224, 224)).copy()
    pixels[:112, 112:] = 5000  # the left lung's upper half
    radiograph = read_built(pixels=pixels, BitsStored=16, HighBit=15, PixelPaddingValue=5000)
    everything = with_lungs(prediction(np.ones((224, 224), np.float32), zones=[zone.name for zone in ZONES]))

    finding = measure(everything, radiograph)

    assert finding.share_of_both == 1
    assert finding.severity == (4, 4)


spots = st.lists(st.tuples(st.integers(5, 218), st.integers(5, 218), st.integers(2, 40)), max_size=4)
zone_bits = st.lists(st.booleans(), min_size=6, max_size=6)
columns = st.tuples(st.integers(45, 100), st.integers(142, 190))


@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(drawn=spots, bits=zone_bits, centres=columns)
def test_a_mirrored_film_with_mirrored_lungs_gives_the_mirrored_finding(drawn, bits, centres):
    """Shares within 0 and 1, no free zone with much of it marked, and sides that are only sides."""
    lungs = drawn_lungs(right=(112, centres[0]), left=(112, centres[1]))
    named = [zone.name for zone, bit in zip(ZONES, bits, strict=True) if bit]
    swapped = [zone.name for zone, bit in zip(ZONES, mirrored(bits), strict=True) if bit]
    one = measure(with_lungs(prediction(*(spot(*s) for s in drawn), zones=named), lungs), SMALL)
    flipped = [spot(row, 223 - column, radius) for row, column, radius in drawn]
    other = measure(with_lungs(prediction(*flipped, zones=swapped), mirror(lungs)), SMALL)

    assert other.zone_shares == pytest.approx(one.zone_shares[3:] + one.zone_shares[:3], abs=0.02)
    assert other.dropped_share == pytest.approx(one.dropped_share)
    assert other.share_of_both == pytest.approx(one.share_of_both, abs=0.01)
    assert {r.laterality for r in one.regions} == {
        RIGHT if r.laterality is LEFT else LEFT for r in other.regions
    }
    shares = [*one.zone_shares, *one.lung_shares.values(), one.share_of_both, one.dropped_share]
    assert all(0 <= share <= 1 for share in shares)
    for zone, share in zip(ZONES, one.zone_shares, strict=True):
        assert one.judgement_of(zone) is not Judgement.ABSENT or share < ABSENT_BELOW


@given(st.booleans(), st.floats(0, 1), st.floats(0, 1))
def test_a_zone_is_free_only_below_its_limit_and_present_only_if_named(named, probability, share):
    """Whatever the numbers."""
    judgement = judged_by_share(named=named, probability=probability, share=share)

    assert judgement is not Judgement.ABSENT or (share < ABSENT_BELOW and not named)
    assert judgement is not Judgement.PRESENT or named
    assert not (named and share >= PRESENT_FROM) or judgement is Judgement.PRESENT
