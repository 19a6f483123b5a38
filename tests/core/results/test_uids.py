"""UIDs that are derived, and results of ours that are recognised."""

import dataclasses
import subprocess
import sys

import pytest
from pydicom import Dataset

from sgseg_dicom.findings.measure import measure
from sgseg_dicom.own_results import is_own_result
from sgseg_dicom.results.measurement_report import encode_sr
from sgseg_dicom.results.provenance import contributing_equipment
from sgseg_dicom.results.seg import encode_seg
from sgseg_dicom.results.uids import derived_uid, device_uid, result_uid, tracking_uid
from sgseg_dicom.zones import Laterality
from tests.support.builders import chest_radiograph
from tests.support.predictions import ALGORITHM, MADE_AT, both_lungs, read_built

OTHER_WEIGHTS = dataclasses.replace(ALGORITHM, weights_digest="1" * 64)


def test_the_same_parts_give_the_same_valid_uid():
    """
    A UUID-derived UID (PS3.5 B.2): 2.25., no leading zero, at most 64 characters.
    """
    uid = derived_uid("1.2.3", "digest", "SEG")

    assert uid == derived_uid("1.2.3", "digest", "SEG")
    assert uid.is_valid
    assert uid.startswith("2.25.")
    assert len(uid) <= 44


def test_the_derivation_never_changes():
    """
    A PACS that holds our results from before an upgrade must get the same UIDs again.
    """
    assert derived_uid("1.2.3", "digest", "SEG") == "2.25.271721319832122610560685504728992884434"


@pytest.mark.parametrize("other", [("b", "a"), ("a", "bc"), ("ab", "c"), ("a", "b", "")])
def test_order_and_boundaries_of_the_parts_count(other):
    """
    ("ab", "c") and ("a", "bc") must not meet in one UID.
    """
    assert derived_uid("a", "b") != derived_uid(*other)
    assert derived_uid("a", "bc") != derived_uid("ab", "c")


def test_image_weights_and_kind_each_make_another_uid():
    """
    Every result of every image by every set of weights has a UID of its own.
    """
    one, two = read_built(seed=1), read_built(seed=2)
    uids = [
        result_uid(image, algorithm, kind)
        for image in (one, two)
        for algorithm in (ALGORITHM, OTHER_WEIGHTS)
        for kind in ("SEG", "SEG series", "SR", "SR series", "frame of reference")
    ]

    assert len(set(uids)) == len(uids)


def test_the_device_changes_with_the_weights_only():
    """
    IHE AIR: other weights are another device; another software version is not.
    """
    newer = dataclasses.replace(ALGORITHM, version="9.9")

    assert device_uid(newer) == device_uid(ALGORITHM)
    assert device_uid(OTHER_WEIGHTS) != device_uid(ALGORITHM)


def test_each_lung_and_each_further_part_is_tracked_by_itself():
    """
    Readers merge what has one Tracking UID.
    """
    image = read_built()
    uids = {tracking_uid(image, ALGORITHM, side, part) for side in Laterality for part in (1, 2, 3)}

    assert len(uids) == 6


def test_our_seg_and_sr_are_recognised():
    """
    By the equipment: also where somebody has edited the descriptions.
    """
    radiograph = read_built()
    finding = measure(both_lungs(), radiograph)
    seg = encode_seg(radiograph, finding, algorithm=ALGORITHM, made_at=MADE_AT)
    sr = encode_sr(radiograph, finding, seg, algorithm=ALGORITHM, made_at=MADE_AT)

    for result in (seg, sr):
        result.SeriesDescription = "edited"
        assert is_own_result(result)


def test_a_capture_that_others_made_of_our_result_is_recognised():
    """
    Manufacturer is theirs then, but we have contributed.
    """
    capture = chest_radiograph(kind="SC", Manufacturer="Somebody")
    capture.ContributingEquipmentSequence = [contributing_equipment(ALGORITHM, MADE_AT)]

    assert is_own_result(capture)


@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"Manufacturer": None},
        {"Manufacturer": ""},
        {"SeriesDescription": "Infected lung regions - DRAFT - not for diagnosis alone"},
        {"ContributingEquipmentSequence": []},
        {"ContributingEquipmentSequence": [Dataset()]},
    ],
)
def test_a_radiograph_is_not_taken_for_a_result(keywords):
    """
    Whatever its description says, and with empty or odd sequences.
    """
    assert not is_own_result(chest_radiograph(**keywords))


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("sgseg_dicom.own_results", ["torch", "highdicom", "SimpleITK"]),
        ("sgseg_dicom.results.measurement_report", ["torch", "transformers", "timm"]),
        ("sgseg_dicom.results.seg", ["torch", "transformers", "timm"]),
    ],
)
def test_encoding_is_imported_without(module, absent):
    """
    The receiver may ask is_own_result; encoding works where no torch is.
    """
    code = f"import sys, {module}; print({{*{absent}}} & {{*sys.modules}})"

    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
