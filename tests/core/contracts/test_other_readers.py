"""Other people's code reads our results back: dcmqi finds the same mask and values, PixelMed knows the templates."""

import re

import numpy as np
import pytest
import SimpleITK as sitk

from sgseg_dicom.findings.measure import measure
from sgseg_dicom.result_kinds import Wanted
from sgseg_dicom.results.encode import encode_results
from tests.support.builders import synthetic_chest
from tests.support.laterality import SIDE_OF_CODE
from tests.support.pixelmed_complaints import EXPLAINED
from tests.support.predictions import ALGORITHM, MADE_AT, both_lungs, prediction, read_built
from tests.support.validators import needs_pixelmed, pixelmed, segimage2itkimage, tid1500reader

ODD = {"pixels": synthetic_chest((301, 203))}
NEGATIVE = Wanted(sr_without_regions=True)
LABEL_MAP = Wanted(segmentation="labelmap")
OLDER = Wanted(segmentation="binary", sr_class="comprehensive")


def results_of(radiograph, finding, folder, wanted=Wanted()):  # noqa: B008 - frozen
    """Encode what is *wanted*, write it, and give the files by their names."""
    files, _ = encode_results(radiograph, finding, {"archive": wanted}, algorithm=ALGORITHM, made_at=MADE_AT)
    for name, ds in files.items():
        ds.save_as(folder / name, enforce_file_format=True)
    return {name: folder / name for name in files}


@pytest.mark.parametrize("form", ["binary", "fractional"])
@pytest.mark.parametrize(
    "source", [{}, ODD, {"kind": "CR", "ImagerPixelSpacing": None}], ids=["DX", "odd", "CR"]
)
def test_dcmqi_reads_the_same_masks(source, form, tmp_path):
    """Each segment is its lung's region, pixel for pixel, under its side."""
    radiograph = read_built(**source)
    finding = measure(both_lungs(), radiograph)
    files = results_of(radiograph, finding, tmp_path, Wanted(segmentation=form))

    said, images = segimage2itkimage(next(iter(files.values())), tmp_path)

    segments = [attributes for group in said["segmentAttributes"] for attributes in group]
    sides = [SIDE_OF_CODE[segment["AnatomicRegionModifierSequence"]["CodeValue"]] for segment in segments]
    assert sides == [region.laterality for region in finding.regions]
    for image, region in zip(images, finding.regions, strict=True):
        (mask,) = sitk.GetArrayFromImage(sitk.ReadImage(image))
        np.testing.assert_array_equal(mask > 0, region.mask)


@pytest.mark.parametrize("wanted", [Wanted(), OLDER], ids=["Comprehensive 3D", "Comprehensive"])
def test_dcmqi_reads_the_same_measurements(wanted, tmp_path):
    """Areas with unit and side, tracking that is the SEG's, and a draft."""
    radiograph = read_built()
    finding = measure(both_lungs(), radiograph)
    files = results_of(radiograph, finding, tmp_path, wanted)
    report = next(path for name, path in files.items() if name.startswith("sr"))

    said = tid1500reader(report, tmp_path)

    assert (said["CompletionFlag"], said["VerificationFlag"]) == ("PARTIAL", "UNVERIFIED")
    measured = [group for group in said["Measurements"] if group["measurementItems"]]
    for group, region in zip(measured, finding.regions, strict=True):
        assert SIDE_OF_CODE[group["Laterality"]["CodeValue"]] is region.laterality
        (area,) = group["measurementItems"]
        assert area["units"]["CodeValue"] == "mm2"
        assert float(area["value"]) == pytest.approx(region.area_mm2, abs=0.05)
    segments, _ = segimage2itkimage(files["seg.dcm"], tmp_path)
    tracked = [attributes["TrackingUniqueIdentifier"] for (attributes,) in segments["segmentAttributes"]]
    assert [group["TrackingUniqueIdentifier"] for group in measured] == tracked


def test_dcmqi_reads_that_nothing_was_found(tmp_path):
    """One group about the whole image: the infection is absent."""
    radiograph = read_built()
    files = results_of(radiograph, measure(prediction(zones=[]), radiograph), tmp_path, NEGATIVE)

    (group,) = tid1500reader(files["sr.dcm"], tmp_path)["Measurements"]

    said = {
        item["conceptCode"]["CodeValue"]: item["conceptValue"] for item in group["qualitativeEvaluations"]
    }
    assert said["128601007"]["CodeMeaning"] == "Absent"


@needs_pixelmed
@pytest.mark.parametrize(
    ("predicted", "wanted", "name"),
    [
        (both_lungs(), Wanted(), "sr.dcm"),
        (prediction(zones=[]), NEGATIVE, "sr.dcm"),
        (prediction(zones=[]), NEGATIVE, "text.dcm"),
        (both_lungs(), LABEL_MAP, "sr-labelmap.dcm"),
        (both_lungs(), OLDER, "sr-comprehensive.dcm"),
        (both_lungs(), Wanted(), "text.dcm"),
    ],
    ids=[
        "TID 1500, found",
        "TID 1500, nothing found",
        "Basic Text SR, nothing found",
        "TID 1500, label map",
        "Comprehensive SR",
        "Basic Text SR",
    ],
)
def test_pixelmed_complains_of_nothing_new(predicted, wanted, name, tmp_path):
    """What it says besides is explained in docs/CONFORMANCE.md; a new complaint is a defect until it is."""
    radiograph = read_built()
    path = results_of(radiograph, measure(predicted, radiograph), tmp_path, wanted)[name]

    new = [line for line in pixelmed(path) if not any(re.search(known.pattern, line) for known in EXPLAINED)]

    assert new == []
