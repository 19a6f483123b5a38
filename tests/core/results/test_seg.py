"""The Segmentation: the model's mask on the source's grid, the right side, a draft, and who made it."""

import dataclasses
from io import BytesIO

import highdicom.seg
import numpy as np
import pytest
from pydicom.uid import SegmentationStorage

from sgseg_dicom.findings.measure import measure
from sgseg_dicom.results.seg import encode_seg
from sgseg_dicom.results.uids import device_uid
from sgseg_dicom.zones import Laterality
from tests.support.builders import SOP_CLASSES, stored_values, synthetic_chest
from tests.support.laterality import LEFT_CODE, RIGHT_CODE
from tests.support.predictions import (
    ALGORITHM,
    IMAGE_LEFT,
    IMAGE_RIGHT,
    MADE_AT,
    ORIENTATIONS,
    both_lungs,
    bright_parts,
    prediction,
    read_built,
    spot,
    stored_as,
)

CODE_OF_SIDE = {Laterality.RIGHT: (RIGHT_CODE, "Right"), Laterality.LEFT: (LEFT_CODE, "Left")}


def encoded(radiograph, predicted=None, **options):
    finding = measure(predicted or both_lungs(), radiograph)
    return finding, encode_seg(radiograph, finding, algorithm=ALGORITHM, made_at=MADE_AT, **options)


def bytes_of(ds):
    file = BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


def masks_in(seg):
    """Give what another program reads: bool (segments, rows, columns)."""
    image = highdicom.seg.segread(BytesIO(bytes_of(seg)))
    numbers = image.segment_numbers
    frames = image.get_pixels_by_source_instance([image.SourceImageSequence[0].ReferencedSOPInstanceUID])
    return np.moveaxis(frames[0], -1, 0)[: len(numbers)] > 0


@pytest.mark.parametrize("segmentation_type", ["BINARY", "FRACTIONAL"])
@pytest.mark.parametrize("shape", [(224, 224), (256, 224), (301, 203), (97, 131)])
def test_the_mask_reads_back_pixel_for_pixel(shape, segmentation_type):
    """
    Odd sizes too, where the bits of one frame end in the middle of a byte.
    """
    finding, seg = encoded(read_built(pixels=synthetic_chest(shape)), segmentation_type=segmentation_type)

    assert (seg.Rows, seg.Columns) == shape
    np.testing.assert_array_equal(masks_in(seg), [region.mask for region in finding.regions])


@pytest.mark.parametrize(("segmentation_type", "spots"), [("FRACTIONAL", 1), ("BINARY", 1), ("BINARY", 2)])
def test_an_odd_number_of_bytes_is_padded_with_zero(segmentation_type, spots):
    """
    PS3.5 6.2: highdicom pads with the digit "0", which among fractions is the value 48.
    """
    places = [(IMAGE_LEFT, "right middle"), (IMAGE_RIGHT, "left upper")][:spots]
    one = prediction(*(spot(*place) for place, _ in places), zones=[zone for _, zone in places])
    _, seg = encoded(read_built(pixels=synthetic_chest((301, 203))), one, segmentation_type=segmentation_type)

    bits = spots * 301 * 203 * seg.BitsAllocated
    assert len(seg.PixelData) == -(-bits // 16) * 2
    assert segmentation_type == "BINARY" or set(seg.PixelData) == {0, 255}
    assert bits > 8 * (len(seg.PixelData) - 1) or seg.PixelData[-1] == 0


@pytest.mark.parametrize("kind", SOP_CLASSES)
def test_every_kind_of_source_gets_a_segmentation(kind):
    """
    CR, DX for presentation and for processing, and all three grey secondary captures.
    """
    finding, seg = encoded(read_built(kind=kind))

    assert seg.SOPClassUID == SegmentationStorage
    np.testing.assert_array_equal(masks_in(seg), [region.mask for region in finding.regions])


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_mask_lies_over_the_finding_and_names_its_side(orientation):
    """
    A bright square in the image's left half of the standard display, stored in each of the eight ways: the
    mask covers just its stored pixels, and the segment says the patient's RIGHT lung.
    """
    shown = np.full((224, 224), 500, dtype=np.uint16)
    shown[120:160, 40:70] = 4095
    source = stored_as(orientation, shown)

    radiograph = read_built(source)
    _, seg = encoded(radiograph, bright_parts(radiograph))

    (mask,) = masks_in(seg)
    (segment,) = seg.SegmentSequence
    np.testing.assert_array_equal(mask, stored_values(source) == 4095)
    assert segment.SegmentLabel == "Infected region, right lung"
    assert side_of(segment) == CODE_OF_SIDE[Laterality.RIGHT]


def side_of(segment):
    (region,) = segment.AnatomicRegionSequence
    (side,) = region.AnatomicRegionModifierSequence
    assert region.CodeValue == "39607008"
    return side.CodeValue, side.CodeMeaning


def test_each_segment_has_the_side_of_its_own_lung():
    """
    One data set used for both once stamped "Left" on the right lung, and no validator noticed.
    """
    finding, seg = encoded(read_built())

    sides = [side_of(segment) for segment in seg.SegmentSequence]
    assert sides == [CODE_OF_SIDE[region.laterality] for region in finding.regions]
    assert sides == [CODE_OF_SIDE[Laterality.RIGHT], CODE_OF_SIDE[Laterality.LEFT]]
    assert len({segment.TrackingUID for segment in seg.SegmentSequence}) == 2
    assert len({tuple(segment.RecommendedDisplayCIELabValue) for segment in seg.SegmentSequence}) == 2


def test_a_left_lung_alone_is_segment_number_one():
    """
    Segment numbers start at 1 and leave none out; the side comes from the region, not from the number.
    """
    radiograph = read_built()
    finding = measure(both_lungs(), radiograph)
    left = dataclasses.replace(finding, regions=finding.regions[1:])

    seg = encode_seg(radiograph, left, algorithm=ALGORITHM, made_at=MADE_AT)

    (segment,) = seg.SegmentSequence
    assert (segment.SegmentNumber, side_of(segment)) == (1, CODE_OF_SIDE[Laterality.LEFT])


def test_without_a_region_there_is_no_segmentation():
    """
    Never an empty SEG.
    """
    _, seg = encoded(read_built(), prediction(spot(*IMAGE_LEFT), zones=[]))

    assert seg is None


def test_it_references_its_image_and_belongs_to_its_study():
    """
    Of the source: patient, study, and the reference; of ours: series and instance.
    """
    radiograph = read_built()
    _, seg = encoded(radiograph)
    header = radiograph.header

    assert seg.SourceImageSequence[0].ReferencedSOPInstanceUID == header.SOPInstanceUID
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == header.SeriesInstanceUID
    assert (seg.StudyInstanceUID, seg.PatientID) == (header.StudyInstanceUID, header.PatientID)
    assert seg.SeriesInstanceUID != header.SeriesInstanceUID
    assert seg.PatientOrientation == ["L", "F"]


def test_its_frame_of_reference_is_its_own():
    """
    Nominal geometry must not be mixed with a frame of reference that others use.
    """
    theirs = read_built(
        FrameOfReferenceUID="1.2.3.4",
        ImagePositionPatient=[5, 6, 7],
        ImageOrientationPatient=[0, 1, 0, 1, 0, 0],
    )
    _, seg = encoded(theirs)

    shared = seg.SharedFunctionalGroupsSequence[0]
    frame = seg.PerFrameFunctionalGroupsSequence[0]
    assert seg.FrameOfReferenceUID != "1.2.3.4"
    assert frame.PlanePositionSequence[0].ImagePositionPatient == [0, 0, 0]
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == [1, 0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"ImagerPixelSpacing": [0.5, 0.25]}, [0.5, 0.25]),
        ({"ImagerPixelSpacing": None}, [1, 1]),
        ({"ImagerPixelSpacing": [0, 0]}, [1, 1]),
        ({"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.25, 0.25]}, [0.2, 0.2]),
    ],
)
def test_it_has_the_images_spacing_or_a_nominal_one(keywords, expected):
    """
    Without a spacing viewers show nothing; the description says that geometry is nominal.
    """
    _, seg = encoded(read_built(**keywords))

    assert seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing == expected
    assert "nominal" in seg.ContentDescription
    assert "Do not measure" in seg.SegmentSequence[0].SegmentDescription


def test_it_says_that_it_is_a_draft_not_for_diagnosis_alone():
    """
    In the content description and at each segment, in full; the series list has room for "draft" alone.
    """
    _, seg = encoded(read_built())

    assert "draft" in seg.SeriesDescription
    for text in (
        seg.ContentDescription,
        *(segment.SegmentDescription for segment in seg.SegmentSequence),
    ):
        assert "draft" in text.lower()
        assert "not for diagnosis alone" in text


def test_the_algorithm_is_named_alike_everywhere():
    """
    IHE AIR: equipment, contributing equipment and algorithm identification agree, and the only Processing
    Equipment is the algorithm, with a Device UID that its weights decide.
    """
    _, seg = encoded(read_built())
    (equipment,) = [
        item
        for item in seg.ContributingEquipmentSequence
        if item.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
    ]
    identification = seg.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]

    assert equipment.DeviceUID == device_uid(ALGORITHM)
    for name, version in (
        (seg.ManufacturerModelName, seg.SoftwareVersions),
        (equipment.ManufacturerModelName, equipment.SoftwareVersions),
        (identification.AlgorithmName, identification.AlgorithmVersion),
    ):
        assert (name, version) == (ALGORITHM.name, ALGORITHM.version)
    assert seg.Manufacturer == equipment.Manufacturer == identification.AlgorithmSource
    assert identification.AlgorithmFamilyCodeSequence[0].CodeValue == "123110"


def test_the_acquisition_equipment_is_kept():
    """
    What made the image goes on being said.
    """
    _, seg = encoded(read_built(Manufacturer="Maker of detectors"))

    assert "Maker of detectors" in [item.Manufacturer for item in seg.ContributingEquipmentSequence]


def test_the_same_time_gives_the_same_bytes():
    """
    No clock and no chance: encoding twice is the same instance.
    """
    radiograph = read_built()

    one, two = (bytes_of(encoded(radiograph)[1]) for _ in range(2))

    assert one == two


def test_all_its_times_are_the_given_one():
    """
    The site's clock is an argument.
    """
    _, seg = encoded(read_built())

    for kind in ("Content", "Series", "InstanceCreation"):
        assert (str(seg[f"{kind}Date"].value), str(seg[f"{kind}Time"].value)) == ("20240502", "030405")
