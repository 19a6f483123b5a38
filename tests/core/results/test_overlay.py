"""The picture for people: the finding over the right lungs, and that it is a draft."""

import numpy as np
import pytest
from PIL import ImageDraw

from sgseg_dicom.findings.measure import measure
from sgseg_dicom.results.overlay import LEAST_WIDTH, LONGER_SIDE, LUNG_COLOURS, draw_overlay, undrawable
from sgseg_dicom.zones import Laterality
from tests.support.builders import synthetic_chest
from tests.support.predictions import ORIENTATIONS, both_lungs, prediction, read_built, stored_as

TITLE = ("Infected lung regions", "SGSeg compact 0.1.0")


def picture(radiograph, predicted, title_lines=TITLE):
    return draw_overlay(radiograph, measure(predicted, radiograph), title_lines=title_lines)


def tinted(radiograph):
    """Give where the picture without a title differs from that without regions, and the picture."""
    with_regions, without = (picture(radiograph, said, ()) for said in (both_lungs(), prediction(zones=[])))
    rows = round(LONGER_SIDE * radiograph.pixels.shape[0] / max(radiograph.pixels.shape))
    one, other = (np.asarray(image).astype(int)[:rows] for image in (with_regions, without))
    return one, (one != other).any(axis=-1)


def test_each_lung_has_its_colour_on_its_side():
    """
    The patient's right lung lies in the image's left half, its outline in its colour.
    """
    image, changed = tinted(read_built())
    middle = image.shape[1] // 2

    for side, half in ((Laterality.RIGHT, np.s_[:, :middle]), (Laterality.LEFT, np.s_[:, middle:])):
        assert (image[half] == LUNG_COLOURS[side]).all(axis=-1).any()
        other = LUNG_COLOURS[Laterality.LEFT if side is Laterality.RIGHT else Laterality.RIGHT]
        assert not (image[half] == other).all(axis=-1).any()
        assert changed[half].any()


def test_the_tint_lies_over_the_mask():
    """
    Share of the picture that is tinted: that of the mask, and its outline's width.
    """
    radiograph = read_built()
    _, changed = tinted(radiograph)
    shares = [region.area_share for region in measure(both_lungs(), radiograph).regions]

    assert changed.mean() == pytest.approx(sum(shares), rel=0.1)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_picture_is_the_standard_display(orientation):
    """
    However the image is stored, the same picture comes out.
    """
    chest = synthetic_chest((240, 200))
    expected = picture(read_built(pixels=chest), both_lungs())

    actual = picture(read_built(stored_as(orientation, chest)), both_lungs())

    np.testing.assert_array_equal(np.asarray(actual), np.asarray(expected))


@pytest.mark.parametrize("shape", [(224, 224), (300, 97), (97, 300)])
def test_every_shape_of_image_is_drawn_whole(shape):
    """
    The longer side has a fixed length; bands for the text come on top, narrow images wrap it.
    """
    image = picture(read_built(pixels=synthetic_chest(shape)), both_lungs())

    assert image.mode == "RGB"
    assert image.width == max(LEAST_WIDTH, round(LONGER_SIDE * shape[1] / max(shape)))
    assert image.height > round(LONGER_SIDE * shape[0] / max(shape))


def test_the_font_has_the_letters_of_europe_and_tells_what_it_lacks():
    """
    Accents, Greek and Cyrillic are drawn; what would be a box is named.
    """
    assert undrawable("äöüßñéíóú²łőşğøåčθж") == []
    assert undrawable("肺 right") == ["肺"]


def test_an_image_without_a_finding_is_drawn():
    """
    The sentence says so; nothing is tinted.
    """
    image = np.asarray(picture(read_built(), prediction(zones=[])))

    assert not any((image == colour).all(axis=-1).any() for colour in LUNG_COLOURS.values())


def test_the_letters_stand_at_the_patients_sides_and_the_sentence_is_the_findings(monkeypatch):
    """
    The standard display has the patient's right at the image's left.
    """
    drawn, text = [], ImageDraw.ImageDraw.text

    def watched(self, place, said, **options):
        drawn.append((said, place[0]))
        text(self, place, said, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", watched)
    radiograph = read_built()
    draw_overlay(radiograph, measure(both_lungs(), radiograph), title_lines=())
    at, words = dict(drawn), " ".join(said for said, _ in drawn)

    assert at["R"] < 100 < at["L"]
    assert "bilateral pulmonary infection" in words.lower()
    assert "DRAFT" in words
