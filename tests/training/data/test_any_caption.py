"""Captions as people write them: whatever the spelling, the zones that were written are the zones that are read."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgseg_dicom.zones import REPORT_COUNT, Laterality, UnknownReport, mirrored, report_of, zones_at, zones_of
from training.data.captions import caption_of, first_readable, with_sides_swapped

LEVELS = ("upper", "middle", "lower")
BETWEEN_LEVELS = (" ", ", ", " and ", "/", " & ", " + ", ", and ", "-")
BETWEEN_LUNGS = (" and ", ", ", " & ")
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "several")


@st.composite
def captions(draw: st.DrawFn) -> tuple[str, tuple[bool, ...]]:
    """Write a caption that finds something; give it with the zones that it names, of the side that it names."""
    zones = zones_at(draw(st.integers(1, REPORT_COUNT - 1)))
    named = {Laterality.RIGHT: zones[:3], Laterality.LEFT: zones[3:]}
    phrases = []
    for side in draw(st.permutations(list(Laterality))):
        levels = [level for level, present in zip(LEVELS, named[side], strict=True) if present]
        if len(levels) == 3 and draw(st.booleans()):
            levels = ["all"]
        if levels:
            words = draw(st.permutations(levels))
            joined = words[0] + "".join(draw(st.sampled_from(BETWEEN_LEVELS)) + word for word in words[1:])
            phrases.append(f"{joined} {side.word} lung")
    spread, count = draw(st.sampled_from(["unilateral", "bilateral"])), draw(st.sampled_from(COUNTS[1:]))
    where = draw(st.sampled_from(BETWEEN_LUNGS)).join(phrases)
    caption = (
        f"{spread} pulmonary infection, {count} infected areas, {where}{draw(st.sampled_from(['.', '']))}"
    )
    spaced = caption.replace(" ", draw(st.sampled_from([" ", "  "])))
    return draw(st.sampled_from([str, str.upper, str.capitalize]))(spaced), zones


@given(captions())
def test_a_caption_gives_the_zones_that_were_written_into_it(written):
    """In any order, with "all" or each level, joined as people join; the sides become the patient's."""
    caption, zones = written

    assert first_readable([None, "", "lungs", caption]) == (with_sides_swapped(caption), mirrored(zones))


@pytest.mark.parametrize("index", range(REPORT_COUNT))
def test_a_caption_of_ours_gives_its_own_zones(index):
    """All 64 of them."""
    assert zones_of(caption_of(zones_at(index))) == zones_at(index)


@given(captions())
def test_sides_that_are_swapped_twice_are_the_same_sides(written):
    """Each word "left" or "right" once; nothing else changes."""
    caption = written[0].lower()

    assert with_sides_swapped(with_sides_swapped(caption)) == caption
    assert with_sides_swapped(caption) != caption


WORDS = st.sampled_from(
    [*LEVELS, *COUNTS, *BETWEEN_LEVELS, "all", "left", "right", "lung", "lungs", "without", "."]
)


@given(st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=12).map(" ".join)))
def test_a_text_is_read_or_refused(text):
    """Nothing but the grammar's own error comes out of any text, and where zones are read a side was named."""
    with suppress(UnknownReport):
        zones = zones_of(text)
        assert zones == zones_of(report_of(zones))
        assert ("left" in text.lower()) >= any(zones[3:])
        assert ("right" in text.lower()) >= any(zones[:3])
