"""The stages together: what must never leave them as a result."""

from dataclasses import replace
from datetime import datetime

import pytest

from sgseg_dicom.errors import InvalidResult, UndecodablePixels
from sgseg_dicom.findings.measure import measure
from sgseg_dicom.inference.segmenter import load_segmenter
from sgseg_dicom.pipeline import process
from tests.support.builders import chest_radiograph, write
from tests.support.matrix import Looking, cells, picture
from tests.support.predictions import MADE_AT

NOW = datetime(2026, 11, 24, 12, 0, 0)


@pytest.fixture(scope="module")
def segmenter():
    segmenter = load_segmenter(device="cpu")
    yield segmenter
    segmenter.close()


def test_a_rescale_without_finite_values_is_no_healthy_lung(segmenter, tmp_path):
    """NaN compares as False everywhere: it must never come out as "no infection"."""
    path = write(chest_radiograph(RescaleSlope="1e305", RescaleIntercept="0"), tmp_path / "image.dcm")

    with pytest.raises(UndecodablePixels, match="Rescale"):
        process(path, segmenter=segmenter, made_at=NOW)


def test_results_that_break_a_rule_do_not_leave_the_pipeline(tmp_path, monkeypatch):
    """
    Sides that were swapped between measuring and encoding: every rule is tested, and here that they are asked.
    """

    def swapped(said, radiograph):
        finding = measure(said, radiograph)
        one, other = finding.regions
        sides = (replace(one, laterality=other.laterality), replace(other, laterality=one.laterality))
        return replace(finding, regions=sides)

    monkeypatch.setattr("sgseg_dicom.pipeline.measure", swapped)
    cell = next(cell for cell in cells() if len(cell.sides) == 2)
    path = write(chest_radiograph(pixels=picture(cell)), tmp_path / "a.dcm")

    with pytest.raises(InvalidResult) as told:
        process(path, segmenter=Looking(), made_at=MADE_AT)
    assert "mask-side" in told.value.rules
