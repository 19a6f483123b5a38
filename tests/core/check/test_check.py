"""Our own check of the results passes good ones, whatever the source and the finding."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataelem import RawDataElement

from sgseg_dicom.check import Rule, require_valid, violations
from sgseg_dicom.check.content_tree import content_of
from sgseg_dicom.errors import InferenceError, InvalidResult, NotApplicable
from sgseg_dicom.language.language import load_language
from sgseg_dicom.refusal_reasons import RefusalReason
from sgseg_dicom.result_kinds import Kind, Wanted
from sgseg_dicom.results.not_judged import encode_not_judged
from tests.support.builders import SOP_CLASSES, chest_radiograph
from tests.support.predictions import (
    IMAGE_LEFT,
    IMAGE_RIGHT,
    ORIENTATIONS,
    both_lungs,
    drawn_lungs,
    prediction,
    read_built,
    spot,
    stored_as,
    with_lungs,
)
from tests.support.spoiling import MADE, SEG, SR, TEXT, find, results

ACROSS = (130, 112)
"""Row and column of a spot on the midline."""


@pytest.fixture(scope="module")
def made() -> Any:
    """The objects of an image with a finding in both lungs, and its header; to be copied."""
    return results()


@pytest.mark.parametrize(("kind", "language"), list(zip(SOP_CLASSES, ["en", "de", "es"] * 2, strict=True)))
def test_every_form_of_every_source_passes(kind, language):
    """
    All SOP classes of the source, all forms of a result, in three languages, with and without the source.
    """
    objects, header = results(
        kind=kind, language=language, PatientName="Łukasz^Ñandú=山田^太郎", SpecificCharacterSet="ISO_IR 192"
    )

    assert violations(objects, header) == []
    assert violations(objects, None) == []


FINDINGS = {
    "nothing": prediction(),
    "right": prediction(spot(*IMAGE_LEFT), zones=["right lower"]),
    "disagreement": prediction(spot(*IMAGE_LEFT), zones=["left lower"]),
    "across-right": prediction(spot(*ACROSS), zones=["right lower"]),
    "across-left": prediction(spot(*ACROSS), zones=["left lower"]),
    "both": prediction(spot(*ACROSS, radius=40), spot(*IMAGE_RIGHT), zones=["right upper", "left middle"]),
    "zone-reached-but-not-named": prediction(spot(40, 60, radius=24), zones=["right middle"]),
    "zone-without-mask": prediction(zones=["left upper"]),
    "lungs": with_lungs(both_lungs()),
    "lungs-without-anything": with_lungs(prediction()),
    "lungs-zones-differ": with_lungs(
        replace(
            prediction(spot(165, 60), zones=["right upper"]),
            zone_probabilities=np.full(6, 0.5, np.float32),
        )
    ),
    "lungs-dropped": with_lungs(prediction(spot(212, 112, radius=8), zones=["right middle"])),
    "lungs-off-centre": with_lungs(
        prediction(spot(130, 124, radius=10), zones=["right middle"]),
        drawn_lungs(right=(112, 100), left=(112, 182)),
    ),
}


@pytest.mark.parametrize(
    "kinds", [(Kind.SEG, Kind.SR, Kind.TEXT), (Kind.SR, Kind.TEXT), (Kind.TEXT,)], ids=str
)
@pytest.mark.parametrize("predicted", FINDINGS.values(), ids=FINDINGS)
def test_every_finding_passes(predicted, kinds):
    """
    Nothing, one lung, both, across the midline, where sentence and mask disagree; with a SEG beside it or not.
    """
    objects, header = results(predicted, {"archive": Wanted(results=kinds)})

    assert violations(objects, header) == []


@pytest.mark.parametrize("language", ["de", "es"])
def test_shares_of_lungs_pass_in_every_language(language):
    """
    With all forms of a result.
    """
    objects, header = results(with_lungs(both_lungs()), language=language)

    assert violations(objects, header) == []


def test_a_patient_off_the_centre_is_held_against_the_lungs():
    """
    The whole region lies beyond the middle: with the lungs' centres it passes, as the left lung's it does not.
    """
    objects, header = results(FINDINGS["lungs-off-centre"], {"archive": Wanted(results=(Kind.SEG,))})

    assert violations(objects, header, lung_centres=(100 / 224, 182 / 224)) == []
    assert [v.rule for v in violations(objects, header)] == [Rule.MASK_SIDE]
    assert [v.rule for v in violations(objects, header, lung_centres=(0.2, 0.5))] == [Rule.MASK_SIDE]


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
def test_a_finding_passes_however_the_image_is_stored(orientation):
    """
    The check finds the sides by itself: transposed, flipped, with odd sizes.
    """
    shown = np.tile(np.arange(221, dtype=np.uint16) * 10, (255, 1))
    coded = Wanted(results=(Kind.SEG, Kind.SR), segmentation="binary")
    objects, header = results(FINDINGS["both"], {"archive": coded}, ds=stored_as(orientation, shown))

    assert violations(objects, header) == []


@pytest.mark.parametrize(
    "keywords",
    [
        {"PatientOrientation": None, "ImagerPixelSpacing": None},
        {"PatientName": None, "PatientID": None, "AccessionNumber": None, "StudyID": None},
        {"PatientSex": "X", "StudyDate": "20240199", "PatientBirthDate": "unknown"},
        {"PixelSpacing": [0.2, 0.2]},
    ],
    ids=lambda keywords: ",".join(keywords),
)
@pytest.mark.filterwarnings("ignore:Invalid value")
def test_sources_of_any_hospital_pass(keywords):
    """
    What the source lacks, or says wrongly, breaks no rule.
    """
    objects, header = results(**keywords)

    assert violations(objects, header) == []


@pytest.mark.parametrize(
    "error", [NotApplicable("a child", reason=RefusalReason.CHILD), InferenceError("out of memory")]
)
@pytest.mark.parametrize("language", ["en", "de", "es"])
def test_answers_for_images_that_were_not_judged_pass(error, language):
    """
    Refused and failed, in every language.
    """
    header = read_built().header
    said = encode_not_judged(header, error, language=load_language(language), **MADE)

    assert violations({"answer.dcm": said}, header) == []


def test_all_violations_are_told_at_once(made):
    """
    Each with its object, its place, its demand and its source; the error carries objects and rules for the node.
    """
    objects, header = copy.deepcopy(made)
    objects["seg.dcm"].PatientID = "SOMEBODY ELSE"
    del objects["sr.dcm"].CompletionFlag

    with pytest.raises(InvalidResult) as raised:
        require_valid(objects, header)

    first, second = str(raised.value).splitlines()
    assert first.startswith("seg.dcm: PatientID must be as in the source image [same-patient; PS3.3")
    assert second.startswith("sr.dcm: CompletionFlag must say PARTIAL")
    assert raised.value.rules == ("same-patient", "sr-state")
    assert raised.value.objects == objects
    assert "SOMEBODY" not in str(raised.value)


def test_an_area_without_a_known_spacing_is_refused(made):
    """
    The same report for a source that does not tell its spacing.
    """
    objects, header = copy.deepcopy(made)
    del header.ImagerPixelSpacing

    assert Rule.AREA_SPACING in {violation.rule for violation in violations(objects, header)}


def test_the_sides_come_from_the_source_and_not_from_the_results(made):
    """
    The same objects are refused for an image that is stored the other way round.
    """
    objects, header = copy.deepcopy(made)
    header.PatientOrientation = ["R", "F"]

    assert {Rule.MASK_SIDE, Rule.OUTLINE_SIDE} <= {v.rule for v in violations(objects, header)}


@pytest.mark.parametrize("name", [SR, SEG, TEXT])
def test_objects_that_lack_everything_are_refused_and_not_a_defect(name, made):
    """
    Whatever is missing is a violation: nothing else is raised.
    """
    good, header = made
    for element in list(good[name]):
        objects = dict(good)
        objects[name] = copy.deepcopy(good[name])
        del objects[name][element.tag]
        violations(objects, header)

    bare = Dataset()
    bare.SOPClassUID = good[name].SOPClassUID
    assert violations({**good, name: bare}, header)
    assert violations({name: bare}, chest_radiograph())


@pytest.mark.parametrize(
    "first",
    [
        "No pulmonary infection.",
        "No signs of infection found; nothing else was judged.",
        "Both lungs are clear.",
    ],
)
def test_a_text_alone_must_say_what_the_segmentation_marks(first):
    """
    A destination without SR: its report in words is held against the mask, and a sentence that is none is refused.
    """
    objects, header = results(wanted={"archive": Wanted(results=(Kind.SEG, Kind.TEXT))})
    assert violations(objects, header) == []
    find(objects[TEXT], "55112-7", "55112-7").ds.TextValue = first

    assert {v.rule for v in violations(objects, header)} & {Rule.TEXT_ZONES, Rule.TEXT_SENTENCE}


@pytest.mark.parametrize("data", [b"\0" * 6, b"\0" * 4])
def test_damaged_coordinates_are_a_violation_and_not_a_defect(made, data):
    """
    Bytes that are no pairs of numbers, deep in the tree.
    """
    objects, header = copy.deepcopy(made)
    outline = next(item for item in content_of(objects[SR]).walk() if item.type == "SCOORD").ds
    tag = outline["GraphicData"].tag
    outline[tag] = RawDataElement(tag, "FL", len(data), data, 0, False, True)

    assert Rule.OUTLINE_SHAPE in {v.rule for v in violations(objects, header)}
