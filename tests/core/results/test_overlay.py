"""The picture for people: the finding over the right lungs, nothing else on the film, and once that it is a draft."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sgseg_dicom.findings.measure import measure
from sgseg_dicom.language.language import ENGLISH, load_language
from sgseg_dicom.results.film import draw_film
from sgseg_dicom.results.overlay import GUTTER, LONGER_SIDE, LUNG_COLOURS, MARGIN, draw_overlay
from sgseg_dicom.results.secondary_capture import draw_picture
from sgseg_dicom.results.text_column import TextColumn, font, undrawable, wrapped
from sgseg_dicom.zones import Laterality
from tests.support.builders import synthetic_chest
from tests.support.predictions import (
    ALGORITHM,
    IMAGE_LEFT,
    IMAGE_RIGHT,
    ORIENTATIONS,
    both_lungs,
    prediction,
    read_built,
    spot,
    stored_as,
    with_lungs,
)

ONE_SIDED = prediction(spot(*IMAGE_RIGHT), zones=["left upper"])
CLEAR = prediction(zones=[])
LANGUAGES = ("en", "de", "es")


def picture(radiograph, predicted, **options):
    return draw_overlay(radiograph, measure(predicted, radiograph), warning=ENGLISH.draft, **options)


def film(radiograph, predicted, style="outline"):
    """Give the film of a picture, in integers."""
    regions = measure(predicted, radiograph).regions
    return np.asarray(draw_film(radiograph, regions, longer_side=LONGER_SIDE, style=style)).astype(int)


def changed(radiograph, style):
    """Give where regions change the film."""
    return (film(radiograph, both_lungs(), style) != film(radiograph, CLEAR)).any(axis=-1)


@pytest.fixture
def written(monkeypatch):
    """Give what is written into pictures: the text, its place in its own picture, and that picture's size."""
    said, text = [], ImageDraw.ImageDraw.text

    def watched(self, place, words, **options):
        said.append((words, place, options, self.im.size))
        text(self, place, words, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", watched)
    return said


def words_of(written):
    return " ".join(words for words, *_ in written)


@pytest.mark.parametrize("style", ["outline", "fill"])
def test_each_lung_has_its_colour_on_its_side(style):
    """The patient's right lung lies in the film's left half, its outline in its colour."""
    image = film(read_built(), both_lungs(), style)
    middle = image.shape[1] // 2

    for side, half in ((Laterality.RIGHT, np.s_[:, :middle]), (Laterality.LEFT, np.s_[:, middle:])):
        assert (image[half] == LUNG_COLOURS[side]).all(axis=-1).any()
        other = LUNG_COLOURS[Laterality.LEFT if side is Laterality.RIGHT else Laterality.RIGHT]
        assert not (image[half] == other).all(axis=-1).any()


def test_a_fill_lies_over_the_mask_and_an_outline_leaves_it_as_it_is():
    """Share of the film that is changed: with a fill that of the mask, with an outline a tenth of it or so."""
    radiograph = read_built()
    share = sum(region.area_share for region in measure(both_lungs(), radiograph).regions)

    assert changed(radiograph, "fill").mean() == pytest.approx(share, rel=0.2)
    row, column = (round(place * LONGER_SIDE / 224) for place in IMAGE_LEFT)
    column = round(column * radiograph.pixels.shape[1] / radiograph.pixels.shape[0])
    inside = np.s_[row - 20 : row + 20, column - 20 : column + 20]
    assert not changed(radiograph, "outline")[inside].any()
    assert changed(radiograph, "fill")[inside].all()


@pytest.mark.parametrize("style", ["outline", "fill"])
def test_the_smallest_region_is_seen(style):
    """One pixel of a large film: what is marked is never invisible."""
    radiograph = read_built(pixels=synthetic_chest((3000, 2400)))
    (region,) = measure(ONE_SIDED, radiograph).regions
    region.mask[:] = False
    region.mask[1000, 1500] = True

    image = np.asarray(draw_film(radiograph, (region,), longer_side=LONGER_SIDE, style=style))

    assert (image == LUNG_COLOURS[Laterality.LEFT]).all(axis=-1).any()


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_picture_is_the_standard_display(orientation):
    """However the image is stored, the same picture comes out."""
    chest = synthetic_chest((240, 200))
    expected = picture(read_built(pixels=chest), both_lungs())

    actual = picture(read_built(stored_as(orientation, chest)), both_lungs())

    np.testing.assert_array_equal(np.asarray(actual), np.asarray(expected))


@pytest.mark.parametrize("shape", [(224, 224), (300, 97), (97, 300), (2500, 2048)])
def test_the_films_longer_side_has_1024_pixels(shape):
    """A small film is enlarged, a large one reduced; the words never take room from it."""
    radiograph = read_built(pixels=synthetic_chest(shape))
    expected = film(radiograph, both_lungs())
    at = (MARGIN if shape[1] > shape[0] else 0) + GUTTER

    image = np.asarray(picture(radiograph, both_lungs()))

    assert max(expected.shape) == 1024
    rows, columns = expected.shape[:2]
    np.testing.assert_array_equal(image[MARGIN + 1 :][:rows, at : at + columns], expected)


def test_nothing_is_drawn_on_a_film_without_a_finding():
    """The film's own marker stays to be seen: our letters stand beside it."""
    radiograph = read_built()
    plain = film(radiograph, CLEAR)
    image = np.asarray(picture(radiograph, CLEAR))

    rows, columns = plain.shape[:2]
    np.testing.assert_array_equal(image[MARGIN + 1 :][:rows, GUTTER : GUTTER + columns], plain)
    grey = np.asarray(radiograph.pixels)
    assert abs(plain[..., 0].mean() / 255 - grey.mean()) < 0.01
    assert (plain == plain[..., :1]).all()


def test_the_letters_stand_at_the_patients_sides(written):
    """The standard display has the patient's right at the image's left: "R" left of the film, "L" right of it."""
    radiograph = read_built()
    width = film(radiograph, CLEAR).shape[1]

    picture(radiograph, both_lungs())

    at = {words: place[0] for words, place, *_ in written if words in "RL"}
    half = font(42).getlength("R") / 2
    assert at["R"] + half < GUTTER
    assert at["L"] - half > GUTTER + width


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_warning_stands_once(code, written):
    """A draft, not for diagnosis: once and whole. A word that is said three times is read by nobody."""
    language, radiograph = load_language(code), read_built()
    finding = measure(with_lungs(both_lungs()), radiograph)

    draw_picture(radiograph, finding, algorithm=ALGORITHM, language=language)

    warning = language.warning(ALGORITHM)
    text = words_of(written)
    assert text.count(warning) == 1
    draft, not_alone = warning.split(",")[0].split()[0], warning.split(";")[2].split(".")[0].strip()
    assert (text.count(draft), text.count(not_alone)) == (1, 1)


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("predicted", [with_lungs(both_lungs()), ONE_SIDED])
@pytest.mark.parametrize("shape", [(300, 97), (97, 300)])
def test_no_text_is_cut(code, predicted, shape, written):
    """Every line ends within its picture, in each language and shape."""
    radiograph = read_built(pixels=synthetic_chest(shape), PatientOrientation=None)
    language = load_language(code)

    draw_picture(radiograph, measure(predicted, radiograph), algorithm=ALGORITHM, language=language)

    assert len(written) > 6
    for words, place, options, (width, height) in written:
        left, top, right, bottom = options["font"].getbbox(words, anchor=options.get("anchor", "la"))
        assert (place[0] + left >= 0, place[0] + right <= width) == (True, True), words
        assert (place[1] + top >= 0, place[1] + bottom <= height) == (True, True), words


def test_a_word_longer_than_a_line_is_broken_and_whole():
    """A language file of the site's own may hold one."""
    word = "Thorax" * 20

    lines = wrapped(f"a {word} b", 32, 300)

    assert "".join(lines).replace(" ", "") == f"a{word}b"
    assert max(font(32).getlength(line) for line in lines) <= 300


def test_the_legend_names_colour_side_and_percent_right_before_left(written):
    """Of each lung; both together, and the score. Numbers end at one place."""
    radiograph = read_built()
    finding = measure(with_lungs(both_lungs()), radiograph)

    draw_overlay(radiograph, finding, warning=ENGLISH.draft)

    rows = [words for words, *_ in written]
    percents = [f"{100 * finding.lung_shares[side]:.1f} %" for side in Laterality]
    expected = ["Right lung", percents[0], "Left lung", percents[1], "Both lungs"]
    assert rows[rows.index("Right lung") :][:5] == expected
    numbers = [place[0] for words, place, options, _ in written if options.get("anchor") == "ra"]
    assert len(numbers) == 4
    assert len(set(numbers)) == 1


def test_a_lung_without_a_region_is_not_called_free(written):
    """ "nothing marked" is no percent: zero would read as a judgement of that lung."""
    picture(read_built(), with_lungs(ONE_SIDED))

    rows = [words for words, *_ in written]
    assert rows[rows.index("Right lung") + 1] == "nothing marked"
    assert "0.0 %" not in rows


def test_a_region_whose_lung_was_not_found_has_no_percent(written):
    """Of the image's area would be another number; a reader would take it for the lung's."""
    picture(read_built(), both_lungs())

    assert words_of(written).count("marked, share not known") == 2
    assert "%" not in words_of(written)


def test_undetermined_zones_are_named(written):
    """With the doubt that they come from; a clear film has neither legend nor doubts."""
    radiograph = read_built()
    predicted = with_lungs(prediction(spot(*IMAGE_RIGHT), zones=["right lower"]))

    picture(radiograph, predicted)
    text = words_of(written)
    written.clear()
    picture(radiograph, with_lungs(CLEAR))

    for zone in ("Right upper", "Right middle", "Right lower", "Left upper", "Left middle", "Left lower"):
        assert f"{zone} zone: undetermined" in text
    assert "disagree about the right lung" in text
    assert "undetermined" not in words_of(written)
    assert "Right lung" not in words_of(written)
    assert "nothing else was judged" in words_of(written)


def test_the_samples_of_the_legend_look_like_the_regions():
    """An outline, or an outline with a tint."""
    inner = {}
    for style in ("outline", "fill"):
        column = TextColumn(560, style)
        column.row("Right lung", "1.0 %", sample=LUNG_COLOURS[Laterality.RIGHT])
        image = np.asarray(column.picture())
        assert (image[:, :22] == LUNG_COLOURS[Laterality.RIGHT]).all(axis=-1).any()
        inner[style] = tuple(image[image.shape[0] // 2, 11])

    assert inner["outline"] != inner["fill"]


def test_the_font_has_the_letters_of_europe_and_tells_what_it_lacks():
    """Accents, Greek and Cyrillic are drawn; what would be a box is named."""
    assert undrawable("äöüßñéíóú²łőşğøåčθж") == []
    assert undrawable("肺 right") == ["肺"]


def test_the_colours_stay_apart_without_colour():
    """Orange and blue differ in brightness, and in the blue that all but the rarest colour blindness sees."""
    right, left = (np.array(LUNG_COLOURS[side]) for side in Laterality)

    assert abs(int(right[2]) - int(left[2])) > 200
    assert Image.new("RGB", (1, 1), tuple(right)).convert("L") != Image.new(
        "RGB", (1, 1), tuple(left)
    ).convert("L")
