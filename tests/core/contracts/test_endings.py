"""A negative image, a lateral, a leg, an inverted film, a child: each ends in its own coded answer."""

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.sr.codedict import codes as dicom_codes

from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.model.image_check import load_image_check
from sgseg_dicom.results import codes
from sgseg_dicom.zones import Laterality
from tests.support.builders import radiograph_of, write
from tests.support.data_folder import needs_data, normal_radiographs
from tests.support.networks import segmenter_of, shipped_network
from tests.support.predictions import pipeline_of

CHEST, LEG = "RG1_UNCR.dcm", "RG3_UNCR.dcm"


@pytest.fixture(scope="module")
def pipeline():
    with segmenter_of(shipped_network()) as segmenter:
        yield pipeline_of(segmenter, image_check=load_image_check())


def altered(folder, name, **keywords):
    """Copy a film of pydicom-data, with other attributes; None deletes one."""
    source = get_testdata_file(name, download=False)
    if source is None:
        pytest.skip(f"{name} is missing; install pydicom-data")
    ds = dcmread(source)
    for keyword, value in keywords.items():
        if value is not None:
            setattr(ds, keyword, value)
        elif keyword in ds:
            delattr(ds, keyword)
    ds.save_as(folder / name)
    return folder / name


def walk(item):
    for child in item.get("ContentSequence") or []:
        yield child
        yield from walk(child)


def coded(report, name):
    return [
        item.ConceptCodeSequence[0].CodeValue
        for item in walk(report)
        if item.ValueType == "CODE" and item.ConceptNameCodeSequence[0].CodeValue == name.value
    ]


def test_a_real_chest_film_is_judged(pipeline, tmp_path):
    """The demo's radiograph passes every check, the image's own included."""
    results = pipeline(altered(tmp_path, CHEST))

    assert results.files


@pytest.mark.parametrize(
    ("film", "keywords", "reason", "code"),
    [
        (CHEST, {"ViewPosition": "LL"}, "lateral-view", dicom_codes.DCM.ObjectTypesNotSupported),
        (LEG, {}, "not-chest", dicom_codes.DCM.ObjectTypesNotSupported),
        (
            LEG,
            {
                "BodyPartExamined": None,
                "AnatomicRegionSequence": None,
                "StudyDescription": None,
                "AcquisitionDeviceProcessingDescription": None,
            },
            "upside-down",  # without its black border the image check takes it for a chest on its head
            dicom_codes.DCM.Positioning,
        ),
        (
            CHEST,
            {"PhotometricInterpretation": "MONOCHROME2", "PresentationLUTShape": "IDENTITY"},
            "inverted",
            dicom_codes.DCM.InappropriateImageProcessing,
        ),
        (CHEST, {"PatientAge": "007Y"}, "child", dicom_codes.DCM.InterpretationRequiresSpecialistExpertise),
        (CHEST, {"PatientOrientation": ["R", "H"]}, "upside-down", dicom_codes.DCM.Positioning),
        (CHEST, {"PatientOrientation": ["F", "L"]}, "rotated-image", dicom_codes.DCM.Positioning),
    ],
    ids=["lateral", "leg", "leg without a header", "inverted", "child", "upside down", "on its side"],
)
def test_what_may_not_be_judged_ends_in_its_own_coded_answer(
    film, keywords, reason, code, pipeline, tmp_path
):
    """Refused for its reason; the answer says Not Attempted and the reason's code, and nothing of the lungs."""
    path = altered(tmp_path, film, **keywords)

    with pytest.raises(NotApplicable) as caught:
        pipeline(path)
    report = pipeline.not_judged(path, caught.value).dataset

    assert caught.value.reason == reason
    assert coded(report, codes.WHY_NOT_JUDGED) == [code.value]
    assert coded(report, codes.STATUS) == [codes.NOT_ATTEMPTED.value]


@needs_data
def test_a_negative_image_ends_in_a_report_without_a_region(pipeline, tmp_path):
    """Judged, and nothing found: reports, no SEG, and no side named."""
    for pixels in normal_radiographs(5):
        path = write(radiograph_of(pixels), tmp_path / "normal.dcm")
        results = pipeline(path)
        if not results.finding.is_positive:
            break

    assert not results.finding.is_positive
    assert not any(side.word in results.finding.sentence for side in Laterality)
    assert results.files
    assert not [name for name in results.files if "seg" in str(name).lower()]
