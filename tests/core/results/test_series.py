"""What a list of series shows: whose results these are, of which film, and what they are, in the first words."""

from itertools import product

import pytest
from pydicom import Dataset

from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.findings.measure import measure
from sgseg_dicom.language.language import ENGLISH, load_language
from sgseg_dicom.records import Unjudged
from sgseg_dicom.refusal_reasons import RefusalReason
from sgseg_dicom.result_kinds import NOT_JUDGED, OBJECT_TYPES, Kind, Wanted
from sgseg_dicom.results.encode import encode_results
from sgseg_dicom.results.not_judged import encode_not_judged
from sgseg_dicom.results.series import series_keywords, series_number
from tests.support.builders import chest_radiograph
from tests.support.predictions import (
    ALGORITHM,
    IMAGE_LEFT,
    IMAGE_RIGHT,
    MADE_AT,
    both_lungs,
    prediction,
    read_built,
    spot,
)

SHOWN = 20
"""Characters that every list of series shows."""
LARGEST_IS = 2**31 - 1
RIGHT = prediction(spot(*IMAGE_LEFT), zones=["right middle"])
LEFT = prediction(spot(*IMAGE_RIGHT), zones=["left upper"])


def described(predicted, language=ENGLISH, **keywords):
    """Give the series descriptions of everything that is made of an image, by kind."""
    radiograph = read_built(**keywords)
    wanted = {"all": Wanted(results=tuple(Kind), sr_without_regions=True)}
    files, _ = encode_results(
        radiograph,
        measure(predicted, radiograph),
        wanted,
        algorithm=ALGORITHM,
        made_at=MADE_AT,
        language=language,
    )
    return [ds.SeriesDescription for ds in files.values()]


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        (both_lungs(), ["mask R+L", "report R+L", "text R+L", "picture R+L", "outlines R+L"]),
        (RIGHT, ["mask R", "report R", "text R", "picture R", "outlines R"]),
        (LEFT, ["mask L", "report L", "text L", "picture L", "outlines L"]),
        (prediction(zones=["left lower"]), ["report L", "text L", "picture L"]),
        (prediction(), ["no finding, report", "no finding, text", "no finding, picture"]),
    ],
    ids=["both", "right", "left", "a sentence alone", "nothing"],
)
def test_the_description_says_what_it_is_and_which_lungs_it_is_about(predicted, expected):
    """
    The patient's sides, in the order mask, report, text, picture, outlines; nothing for what is not made.
    """
    assert described(predicted) == [f"AI draft: {words} (S1 PA)" for words in expected]


@pytest.mark.parametrize("name", ["en", "de", "es"])
def test_the_first_words_tell_a_finding_from_none(name):
    """
    In the part that every list shows, of every object and in every language.
    """
    language = load_language(name)
    found, clear = described(both_lungs(), language), described(prediction(), language)

    assert not {text[:SHOWN] for text in found} & {text[:SHOWN] for text in clear}
    assert len({text[:SHOWN] for text in found}) == len(found)


@pytest.mark.parametrize(
    ("keywords", "film"),
    [
        ({"SeriesNumber": 3, "ViewPosition": "AP"}, " (S3 AP)"),
        ({"SeriesNumber": 3, "InstanceNumber": 2, "ViewPosition": "AP"}, " (S3 I2 AP)"),
        ({"SeriesNumber": None, "ViewPosition": "PA"}, " (PA)"),
        ({"SeriesNumber": 1, "ViewPosition": None}, " (S1)"),
    ],
)
def test_the_description_names_the_film(keywords, film):
    """
    Its series and its view, as lists of series name them; its number in the series, unless it is the first.
    """
    assert described(RIGHT, **keywords)[0] == f"AI draft: mask R{film}"


def test_an_image_that_was_not_judged_is_named_so_first():
    """
    It is no draft of anything, and reads as nothing else.
    """
    answer = encode_not_judged(
        chest_radiograph(ViewPosition="LL"),
        NotApplicable("a lateral view", reason=RefusalReason.LATERAL_VIEW),
        algorithm=ALGORITHM,
        made_at=MADE_AT,
    )

    assert answer.SeriesDescription == "NOT JUDGED by AI - says nothing about the lungs (S1 LL)"


def test_every_series_of_images_has_series_numbers_of_its_own():
    """
    No two kinds and no two series meet, and all are numbers that a PACS takes (IS, PS3.5 6.2).
    """
    types = [*OBJECT_TYPES.values(), NOT_JUDGED]
    sources = [*range(1200), 99_999_098, 99_999_099, 2**31 - 1, -1, None, "x"]
    numbers = [series_number(image(number), kind) for number, kind in product(sources, types)]

    assert len(set(numbers)) == len(numbers)
    assert max(numbers) <= LARGEST_IS
    assert series_number(image(2), OBJECT_TYPES[Kind.SEG]) == 9021


def test_the_longest_description_is_within_64_characters():
    """
    LO (PS3.5 6.2): where the film does not fit it is left out, and never half of it.
    """
    radiograph = read_built(SeriesNumber=-2147483648, InstanceNumber=2147483647, ViewPosition="LLDO")
    finding = measure(prediction(), radiograph)

    for language, kind in product(map(load_language, ("en", "de", "es")), Kind):
        said = series_keywords(radiograph, kind, finding, language)["series_description"]
        assert len(said) <= 64
        assert said.endswith(")") or "(" not in said


def image(number):
    """Build an image of a series with this number."""
    header = Dataset()
    header.SeriesInstanceUID = f"1.2.3.{abs(hash(number)) % 10**9}"
    if number is not None:
        header.add_new("SeriesNumber", "LO", str(number))
    return Unjudged(header=header)
