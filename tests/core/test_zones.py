"""The six zones and the grammar sentence <-> zones: patient laterality, all 64 reports."""

import pytest

from sgseg_dicom.zones import (
    NO_INFECTION,
    REPORT_COUNT,
    ZONES,
    Laterality,
    UnknownReport,
    index_of,
    mirrored,
    report_of,
    sentence_of,
    zones_at,
    zones_of,
)


def bits(*names: str) -> tuple[bool, ...]:
    """Give the zones with these names."""
    return tuple(zone.name in names for zone in ZONES)


def test_the_zones_are_right_before_left_and_upper_before_lower():
    """
    The order is a contract with the weights' manifest.
    """
    expected = ["right upper", "right middle", "right lower", "left upper", "left middle", "left lower"]

    assert expected == [zone.name for zone in ZONES]


@pytest.mark.parametrize("index", range(REPORT_COUNT))
def test_every_report_reads_back_as_its_zones(index):
    """
    All 64 reports round-trip, as report and as sentence.
    """
    zones = zones_at(index)

    assert zones == zones_of(report_of(zones)) == zones_of(sentence_of(zones))
    assert index == index_of(zones)


def test_all_64_reports_differ():
    """
    No two sets of zones have one sentence, and each is ASCII.
    """
    reports = {report_of(zones_at(index)) for index in range(REPORT_COUNT)}

    assert len(reports) == REPORT_COUNT
    assert all(report.isascii() for report in reports)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), "no pulmonary infection."),
        (("right lower",), "unilateral pulmonary infection, one infected area, lower right lung."),
        (
            ("left upper", "left middle", "left lower"),
            "unilateral pulmonary infection, three infected areas, upper middle lower left lung.",
        ),
        (
            ("left middle", "right upper", "right lower"),
            "bilateral pulmonary infection, three infected areas, "
            "middle left lung and upper lower right lung.",
        ),
    ],
)
def test_a_report_has_the_wording_of_the_captions(names, expected):
    """
    Spread, count in zones, then the left lung before the right, levels from above.
    """
    assert expected == report_of(bits(*names))


def test_a_sentence_is_a_report_with_a_capital():
    """
    Only the first letter differs.
    """
    assert sentence_of(bits()) == "No signs of infection found; nothing else was judged."


@pytest.mark.parametrize(
    ("caption", "names"),
    [
        ("no pulmonary infection.", ()),
        ("No infection.", ()),
        (
            "Unilateral pulmonary infection, one infected area, all left lung.",
            ("left upper", "left middle", "left lower"),
        ),
        (
            "Bilateral pulmonary infection, two infected areas, all left lung and middle lower right lung.",
            ("left upper", "left middle", "left lower", "right middle", "right lower"),
        ),
        (
            "Bilateral pulmonary infection, four areas, upper lower left lung and upper lower right lung",
            ("left upper", "left lower", "right upper", "right lower"),
        ),
        ("  UNILATERAL pulmonary infection, one infected area, lower right lung. ", ("right lower",)),
        ("Two areas, upper and lower left lung.", ("left upper", "left lower")),
        ("upper, middle and lower left lung", ("left upper", "left middle", "left lower")),
        ("upper/middle right lung, and lower left lung", ("right upper", "right middle", "left lower")),
    ],
)
def test_a_caption_of_the_data_set_is_read(caption, names):
    """
    "all" means three levels; the count word, capitals, blanks and the full stop do not matter.
    """
    assert bits(*names) == zones_of(caption)


@pytest.mark.parametrize(
    "report",
    [
        "",
        "pneumonia.",
        "unilateral pulmonary infection, one infected area, lower lung.",
        "bilateral pulmonary infection, two infected areas, lower left lung and upper lung.",
        "bilateral pulmonary infection, two infected areas, left lung and lower right lung.",
        "No infection in lower left lung.",
        "lower left lung, upper lobe free",
        "upper zone, lower left lung",
    ],
)
def test_a_sentence_outside_the_grammar_is_refused(report):
    """
    A lung without its side or its level is never guessed.
    """
    with pytest.raises(UnknownReport):
        zones_of(report)


@pytest.mark.parametrize("index", range(REPORT_COUNT))
def test_mirrored_swaps_the_lungs(index):
    """
    The flipped image's zones have the same levels on the other side, and flipping twice is nothing.
    """
    zones = zones_at(index)

    here = {(zone.laterality, zone.level) for zone, bit in zip(ZONES, zones, strict=True) if bit}
    other = {(zone.laterality, zone.level) for zone, bit in zip(ZONES, mirrored(zones), strict=True) if bit}
    swap = {Laterality.RIGHT: Laterality.LEFT, Laterality.LEFT: Laterality.RIGHT}

    assert other == {(swap[side], level) for side, level in here}
    assert zones == mirrored(mirrored(zones))


@pytest.mark.parametrize("call", [report_of, index_of, mirrored])
def test_a_wrong_number_of_zones_is_refused(call):
    """
    Five zones are an error, not a report.
    """
    with pytest.raises(ValueError, match="5 zones given"):
        call((True,) * 5)


@pytest.mark.parametrize("index", [-1, REPORT_COUNT])
def test_an_index_outside_the_table_is_refused(index):
    """
    A negative index would otherwise quietly mean another report.
    """
    with pytest.raises(ValueError, match=f"report index {index}"):
        zones_at(index)


def test_the_first_zone_is_the_lowest_bit():
    """
    The row in the table of reports: 0 is no infection, 1 the right upper zone alone.
    """
    assert report_of(zones_at(0)) == NO_INFECTION
    assert bits("right upper") == zones_at(1)
    assert bits("left lower") == zones_at(32)
