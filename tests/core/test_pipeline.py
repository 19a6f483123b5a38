"""The stages together: what must never leave them as a result."""

from dataclasses import replace

import pytest

from sgseg_dicom.applicability.image_check import ImageCheckScores, Limits
from sgseg_dicom.errors import InvalidResult, NotApplicable, UndecodablePixels
from sgseg_dicom.findings import lung_fields
from sgseg_dicom.findings.measure import measure
from sgseg_dicom.model.image_check import load_image_check
from tests.support.builders import chest_radiograph, write
from tests.support.heads import look
from tests.support.matrix import Looking, cells, picture
from tests.support.networks import segmenter_of, shipped_network
from tests.support.predictions import ALGORITHM, both_lungs, pipeline_of, with_lungs


@pytest.fixture(scope="module")
def pipeline():
    with segmenter_of(shipped_network()) as segmenter:
        yield pipeline_of(segmenter, image_check=load_image_check())


def test_a_rescale_without_finite_values_is_no_healthy_lung(pipeline, tmp_path):
    """NaN compares as False everywhere: it must never come out as "no infection"."""
    path = write(chest_radiograph(RescaleSlope="1e305", RescaleIntercept="0"), tmp_path / "image.dcm")

    with pytest.raises(UndecodablePixels, match="Rescale"):
        pipeline(path)


def test_results_that_break_a_rule_do_not_leave_the_pipeline(tmp_path, monkeypatch):
    """
    Sides that were swapped between measuring and encoding: every rule is tested, and here that they are asked.
    """

    def swapped(said, radiograph, fields):
        finding = measure(said, radiograph, fields)
        one, other = finding.regions
        sides = (replace(one, laterality=other.laterality), replace(other, laterality=one.laterality))
        return replace(finding, regions=sides)

    monkeypatch.setattr("sgseg_dicom.pipeline.measure", swapped)
    cell = next(cell for cell in cells() if len(cell.sides) == 2)
    path = write(chest_radiograph(pixels=picture(cell)), tmp_path / "a.dcm")

    with pytest.raises(InvalidResult) as told:
        pipeline_of(Looking())(path)
    assert "mask-side" in told.value.rules


class LooksLateral:
    """A model whose heads call every image a lateral view."""

    algorithm = ALGORITHM

    def __call__(self, model_input):
        return replace(both_lungs(), look=look(lateral=9.0))


class Calm:
    """An image check that finds nothing."""

    limits = Limits(blank=2, saturated=2, **dict.fromkeys(ImageCheckScores._fields, 0.0))

    def __call__(self, pixels):
        return ImageCheckScores(*[-9.0] * len(ImageCheckScores._fields))


def test_what_the_heads_say_of_the_image_is_asked_unless_the_gate_is_left_out(tmp_path):
    """The image check that says nothing is not the last word; [model] image_check = false leaves both out."""
    cell = next(cell for cell in cells() if len(cell.sides) == 2)
    path = write(chest_radiograph(pixels=picture(cell)), tmp_path / "a.dcm")

    with pytest.raises(NotApplicable) as told:
        pipeline_of(LooksLateral(), image_check=Calm())(path)
    assert told.value.reason == "lateral-view"
    assert pipeline_of(LooksLateral())(path).finding.is_positive


class SeesLungs:
    """A model that marks both lungs, and finds them."""

    algorithm = ALGORITHM

    def __call__(self, model_input):
        return with_lungs(both_lungs())


def test_the_lungs_are_looked_for_once_an_image(tmp_path, monkeypatch):
    """The gate and the finding take the same ones: cleaning a lung costs more than all that is asked of it."""
    cleaned = []
    monkeypatch.setattr(lung_fields, "_cleaned", lambda mask: cleaned.append(mask) or mask)
    path = write(chest_radiograph(), tmp_path / "a.dcm")

    results = pipeline_of(SeesLungs(), image_check=Calm())(path)

    assert len(results.finding.lung_shares) == 2
    assert len(cleaned) == 2
