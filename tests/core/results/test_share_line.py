"""The comparison in the picture: its sentences, and a small line of points, this film last."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import ImageDraw

from sgseg_dicom.comparison.compare import compare
from sgseg_dicom.comparison.films import EarlierFilm, Moment
from sgseg_dicom.language.language import ENGLISH, load_language
from sgseg_dicom.results.lung_colours import LUNG_COLOURS
from sgseg_dicom.results.share_line import write_comparison
from sgseg_dicom.results.text_column import TABLE_WIDTH, TextColumn
from sgseg_dicom.zones import Laterality
from tests.support.comparing import EARLIER, NOW, REPEATABILITY, compared
from tests.support.predictions import IMAGE_LEFT, prediction, spot

RIGHT, LEFT = Laterality.RIGHT, Laterality.LEFT
RIGHT_ALONE = prediction(spot(*IMAGE_LEFT), zones=["right middle"])


def after(*films, predicted=None):
    """Give a finding that has earlier films: moment and shares of each, the oldest first."""
    _, finding = compared({}, predicted)
    earlier = [EarlierFilm(taken=Moment(*taken), reference=EARLIER, shares=shares) for taken, shares in films]
    return replace(finding, comparison=compare(NOW, finding.comparable_shares, earlier, REPEATABILITY))


def picture(finding, language=ENGLISH, width=TABLE_WIDTH):
    column = TextColumn(width)
    write_comparison(column, finding, language)
    return np.asarray(column.picture()).astype(int)


def columns_of(image, side):
    """Give where a lung's points are, from left to right: columns in which its colour is high, but for its letter."""
    near = (abs(image[:, :-22] - LUNG_COLOURS[side]) < 40).all(axis=-1).sum(axis=0)
    high = np.flatnonzero(near >= 6)
    return [
        int(group.mean()) for group in np.split(high, np.flatnonzero(np.diff(high) > 1) + 1) if group.size
    ]


@pytest.fixture
def written(monkeypatch):
    """Give what is written: the text, its place, and the picture's size."""
    said, text = [], ImageDraw.ImageDraw.text

    def watched(self, place, words, **options):
        said.append((words, place, options, self.im.size))
        text(self, place, words, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", watched)
    return said


def test_without_a_comparison_nothing_is_written():
    """No earlier film: no word, and no room for one."""
    _, finding = compared({})
    column = TextColumn(TABLE_WIDTH)

    write_comparison(column, finding, ENGLISH)

    assert column.height == 0


@pytest.mark.parametrize("code", ["en", "de", "es"])
def test_the_sentences_of_the_reports_stand_there_in_each_language(code, written):
    """The picture says what the reports say, with the limit; no line is cut."""
    language, finding = load_language(code), after((("20240301",), {RIGHT: 0.02, LEFT: 0.5}))

    picture(finding, language)

    text = " ".join(words for words, *_ in written)
    assert [said for said in language.comparison(finding) if said not in text] == []
    for words, place, options, (width, height) in written:
        left, top, right, bottom = options["font"].getbbox(words, anchor=options.get("anchor", "la"))
        assert min(place[0] + left, place[1] + top) >= 0, words
        assert (place[0] + right <= width, place[1] + bottom <= height) == (True, True), words


def test_points_lie_where_their_films_lie_in_time():
    """The first at the left, this film at the right; a film taken early in between lies near the first one."""
    finding = after(
        (("20230502",), {RIGHT: 0.12}),
        (("20230801",), {RIGHT: 0.13}),
        (("20240301",), {RIGHT: 0.12}),
        predicted=RIGHT_ALONE,
    )

    first, early, late, now = columns_of(picture(finding), RIGHT)

    share = [(place - first) / (now - first) for place in (early, late)]
    assert share == pytest.approx([91 / 366, 304 / 366], abs=0.02)


def test_both_lungs_have_their_colours_and_more_is_higher():
    """A high share lies above a low one."""
    image = picture(after((("20240301",), {RIGHT: 0.02, LEFT: 0.4})))

    first, other = columns_of(image, RIGHT)[0], columns_of(image, LEFT)[0]
    rows = {
        side: np.flatnonzero((abs(image[:, first] - LUNG_COLOURS[side]) < 40).all(axis=-1)).mean()
        for side in Laterality
    }
    assert abs(first - other) <= 1
    assert rows[LEFT] + 30 < rows[RIGHT]


def test_a_lung_that_was_never_marked_has_no_line():
    """A line along the base would read as a judgement of it."""
    image = picture(after((("20240301",), {RIGHT: 0.3, LEFT: 0.0}), predicted=prediction(zones=[])))

    assert len(columns_of(image, RIGHT)) == 2
    assert columns_of(image, LEFT) == []


def test_the_ends_say_their_dates_and_on_one_day_the_times(written):
    """So that nobody takes hours for months."""
    picture(after((("20231224",), {RIGHT: 0.3}), (("20240301",), {RIGHT: 0.2})))
    ends = [words for words, *_ in written if words.startswith("202")]
    written.clear()
    picture(after((("20240502", "003000"), {RIGHT: 0.3})))

    assert ends == ["2023-12-24", "2024-05-02"]
    assert [words for words, *_ in written if words.startswith("202")][-2:] == [
        "2024-05-02 00:30",
        "2024-05-02 01:00",
    ]


def test_lungs_with_one_share_are_both_seen_and_their_letters_stand_apart(written):
    """One point over the other, one letter over the other, would hide a lung."""
    image = picture(after((("20240301",), {RIGHT: 0.3, LEFT: 0.3})))

    last = image[:, -46:-22]
    seen = [(abs(last - LUNG_COLOURS[side]) < 40).all(axis=-1).sum() for side in Laterality]
    assert min(seen) > 60
    rows = {words: place[1] for words, place, *_ in written if words in "RL"}
    assert abs(rows["R"] - rows["L"]) >= 18


@pytest.mark.parametrize(("earlier", "now"), [("235999", "240000"), ("235960", "240000")])
def test_times_that_no_clock_shows_do_no_harm(earlier, now):
    """Headers hold them: the earlier film still lies at the left, this one at the right."""
    finding = after((("20240502", earlier), {RIGHT: 0.2}), predicted=RIGHT_ALONE)
    odd = replace(finding.comparison, taken=Moment("20240502", now))

    first, last = columns_of(picture(replace(finding, comparison=odd)), RIGHT)

    assert last - first > TABLE_WIDTH / 2
