"""Images of the data set sent through DICOM: with the weights that ship, a node reports what evaluation finds."""

import highdicom
import numpy as np
import pytest
from pydicom import dcmread

from sgseg_dicom.model.image_check import load_image_check
from sgseg_dicom.reading.undeclared_borders import shown_within_border
from sgseg_dicom.results import codes
from sgseg_dicom.zones import ZONES, Laterality
from tests.support.builders import chest_radiograph, write
from tests.support.data_folder import DATA, needs_data
from tests.support.networks import one_pass_network, segmenter_of
from tests.support.predictions import ORIENTATIONS, pipeline_of, stored_as
from training.data import load_image, load_mask, read_split
from training.data.borders_removed import borderless_input_of
from training.evaluation.evaluate import model_input_of


@pytest.fixture(scope="module")
def pipeline():
    with segmenter_of(one_pass_network()) as segmenter:
        yield pipeline_of(segmenter, image_check=load_image_check())


def side_of(zones):
    sides = {zone.laterality for zone, present in zip(ZONES, zones, strict=True) if present}
    return sides.pop() if len(sides) == 1 else None


@pytest.fixture(scope="module", params=list(Laterality), ids=lambda side: f"{side.word}-lung")
def one_sided(request):
    """Give a real image whose caption and mask name one lung, and whose finding is in the same lung."""
    for item in read_split(DATA / "QaTa", "valid"):
        if side_of(item.zones) is not request.param:
            continue
        half = load_mask(item)[:, :112] if request.param is Laterality.RIGHT else load_mask(item)[:, 112:]
        if half.sum() != load_mask(item).sum():
            continue
        prediction = one_pass_network().judge([model_input_of(item)])[0]
        if side_of(prediction.zones) is request.param:
            return item
    pytest.fail("no one-sided image on which the model agrees: the model or the laterality is broken")


@needs_data
@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
def test_a_one_sided_finding_keeps_the_patients_side_however_the_image_is_stored(
    one_sided, orientation, pipeline, tmp_path
):
    """
    Sentence, codes and segment name the patient's lung, and the mask lies over the finding's own pixels.
    """
    side = side_of(one_sided.zones)
    path = write(stored_as(orientation, load_image(one_sided)), tmp_path / "image.dcm")

    results = pipeline(path)

    other = "left" if side is Laterality.RIGHT else "right"
    assert f"{side.word} lung" in results.finding.sentence
    assert f"{other} lung" not in results.finding.sentence
    largest = max(results.finding.regions, key=lambda region: region.area_share)
    assert largest.laterality is side
    results.seg.save_as(tmp_path / "seg.dcm", enforce_file_format=True)
    seg = highdicom.seg.segread(tmp_path / "seg.dcm")
    number = [region.laterality for region in results.finding.regions].index(side) + 1
    region = seg.get_segment_description(number).AnatomicRegionSequence[0]
    laterality = region.AnatomicRegionModifierSequence[0]
    assert laterality.CodeValue == codes.LATERALITY[side].value
    stored = seg.get_pixels_by_source_instance(
        [dcmread(path).SOPInstanceUID], segment_numbers=[number], ignore_spatial_locations=True
    )[0, :, :, 0]
    shown, truth = orientation.to_display(stored).astype(bool), load_mask(one_sided)
    assert (shown & truth).sum() / truth.sum() > 0.4


@needs_data
def test_through_dicom_the_mask_is_the_models_own(pipeline, tmp_path):
    """On a 224 x 224 image the written mask is the evaluation's, pixel for pixel; also inside a border."""
    items = [item for item in read_split(DATA / "QaTa", "valid")[:40] if load_mask(item).any()]
    plain = next(item for item in items if shown_within_border(load_image(item)) is None)
    bordered = next(item for item in items if shown_within_border(load_image(item)) is not None)
    for item in (plain, bordered):
        path = write(chest_radiograph(pixels=load_image(item)), tmp_path / "image.dcm")

        results = pipeline(path)

        prepared = borderless_input_of(load_image(item))
        expected = prepared.put_back(pipeline.segmenter(prepared.model_input))
        assert expected.mask.any()
        written = np.any([region.mask for region in results.finding.regions], axis=0)
        np.testing.assert_array_equal(written, expected.mask)
