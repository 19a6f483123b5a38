"""Real peers: DCMTK sends, Debian's Orthanc archives, and DCMTK reads back what the node made of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import highdicom
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import BasicTextSRStorage, Comprehensive3DSRStorage, SegmentationStorage

from node.jobs import Ending
from sgseg_dicom.pipeline import Pipeline
from sgseg_dicom.records import Finding, Orientation
from sgseg_dicom.zones import Laterality
from tests.core.contracts.test_valid import dciodvfy
from tests.support.builders import write
from tests.support.laterality import SIDE_OF_CODE
from tests.support.predictions import stored_as
from tests.system.images import infected_chests
from tests.system.network import own_network
from tests.system.orthanc import DCMTK, Orthanc, classes, needs_peers, running_orthanc
from tests.system.running_node import RunningNode, running_node, write_config

pytestmark = [pytest.mark.system, needs_peers]

ORIENTATIONS = {"standard": Orientation(), "mirrored": Orientation(flip_columns=True)}
"""One chest, stored as it is displayed, and stored mirrored with a Patient Orientation that says so."""


@dataclass(frozen=True)
class Sent:
    """
    One image on its way.

    Attributes:
        orientation: how it is stored.
        uid: its SOP Instance UID.
        expected: what the model finds on the same file, in this process.
        found: what C-FIND says of the study afterwards.
        moved: what C-MOVE brings, by SOP class.
    """

    orientation: Orientation
    uid: str
    expected: Finding
    found: list[Dataset]
    moved: dict[str, Dataset]

    @property
    def masks(self) -> dict[Laterality, NDArray[np.bool_]]:
        """The mask of each lung in the SEG that came back, on the stored grid; skips where there is none."""
        if not self.expected.regions:
            pytest.skip("the model marks nothing on this image: there is no SEG to look at")
        return masks_of(self.moved[SegmentationStorage])


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Orthanc, RunningNode]]:
    """An archive, and a node whose configuration names it as a destination."""
    archive, node = tmp_path_factory.mktemp("archive") / "db", tmp_path_factory.mktemp("node")
    archive.mkdir()
    with (
        own_network() as network,
        running_orthanc(network, archive) as orthanc,
        running_node(write_config(node, [orthanc.destination]), network) as running,
    ):
        yield orthanc, running


@pytest.fixture(scope="module")
def journeys(
    peers: tuple[Orthanc, RunningNode], pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Sent]:
    """The chest of each of ORIENTATIONS, after it went all the way."""
    orthanc, node = peers
    folder, journeys = tmp_path_factory.mktemp("images"), {}
    for seed, (name, orientation) in enumerate(ORIENTATIONS.items()):
        ds = stored_as(orientation, infected_chests(1)[0], seed=seed)
        file = write(ds, folder / f"{name}.dcm")
        store(node, file)
        node.settled(ds.SOPInstanceUID)
        journeys[name] = Sent(
            orientation=orientation,
            uid=ds.SOPInstanceUID,
            expected=pipeline(file).finding,
            found=orthanc.find(ds.StudyInstanceUID),
            moved={result.SOPClassUID: result for result in orthanc.move(ds.StudyInstanceUID)},
        )
    return journeys


@pytest.fixture(params=ORIENTATIONS)
def sent(request: pytest.FixtureRequest, journeys: dict[str, Sent]) -> Sent:
    """One of them."""
    return journeys[request.param]


def store(node: RunningNode, file: Path) -> None:
    """C-STORE with DCMTK."""
    where = ("-aet", "MODALITY", "-aec", node.config.receive.ae_title, "127.0.0.1", node.port)
    result = node.network.run(DCMTK / "storescu", *where, file)
    assert result.returncode == 0, result.stderr


def masks_of(seg: Dataset) -> dict[Laterality, NDArray[np.bool_]]:
    """Read the mask of each segment with highdicom, by the laterality of its region's code."""
    segmentation = highdicom.seg.Segmentation.from_dataset(seg)
    masks = {}
    for number in segmentation.segment_numbers:
        region = segmentation.get_segment_description(number).AnatomicRegionSequence[0]
        side = SIDE_OF_CODE[region.AnatomicRegionModifierSequence[0].CodeValue]
        frame = segmentation.get_pixels_by_source_instance(
            [source for *_, source in segmentation.get_source_image_uids()], segment_numbers=[number]
        )
        masks[side] = frame[0, :, :, 0].astype(np.bool_)
    return masks


def test_the_archive_has_one_seg_one_sr_and_one_text(sent):
    """
    C-FIND lists them in the study of the image, and nothing else; without a finding, the reports alone.
    """
    reports = [Comprehensive3DSRStorage, BasicTextSRStorage]
    expected = [SegmentationStorage] * bool(sent.expected.regions) + reports

    assert sorted(classes(sent.found).values()) == sorted(expected)


def test_cmove_brings_what_cfind_lists(sent):
    """
    The same instances.
    """
    assert classes([*sent.moved.values()]) == classes(sent.found)


def test_the_mask_read_back_is_the_models(sent):
    """
    Pixel for pixel, each lung, on the grid of the image as it was stored.
    """
    expected = {region.laterality: region.mask for region in sent.expected.regions}

    assert {side: mask.shape for side, mask in sent.masks.items()} == {
        side: mask.shape for side, mask in expected.items()
    }
    assert {side: int((sent.masks[side] != mask).sum()) for side, mask in expected.items()} == dict.fromkeys(
        expected, 0
    )


def test_the_segments_name_the_side_of_the_patient(sent):
    """
    The patient's right lung lies in the left half of the standard display, however the image is stored.
    """
    for side, mask in sent.masks.items():
        _, columns = np.nonzero(sent.orientation.to_display(mask))
        in_left_half = columns.mean() < mask.shape[1] / 2

        assert in_left_half == (side is Laterality.RIGHT)


def test_the_report_says_the_models_sentence(sent):
    """
    Once, word for word.
    """
    report = sent.moved[Comprehensive3DSRStorage]
    texts = [element.value for element in report.iterall() if element.keyword == "TextValue"]

    assert texts.count(sent.expected.sentence) == 1


def test_the_results_refer_to_the_image(sent):
    """
    By its SOP Instance UID, in each object.
    """
    for result in sent.moved.values():
        assert sent.uid in {e.value for e in result.iterall() if e.keyword == "ReferencedSOPInstanceUID"}


def test_dciodvfy_finds_no_error_in_what_comes_back(sent, tmp_path):
    """
    Nothing was lost on the way through two DICOM implementations.
    """
    for result in sent.moved.values():
        result.save_as(tmp_path / "result.dcm")

        assert dciodvfy(tmp_path / "result.dcm") == []


def test_the_status_says_that_they_were_delivered(journeys, peers):
    """
    `sgseg-node status` has one line for each image.
    """
    endings = {
        journey.uid: Ending.FINDING if journey.expected.regions else Ending.NO_FINDING
        for journey in journeys.values()
    }
    lines = peers[1].status()

    assert len(lines) == len(journeys)
    assert {line["job"]["sop_instance_uid"]: line["state"] for line in lines} == endings
    assert [(d["destination"], d["state"]) for line in lines for d in line["deliveries"]] == [
        ("Orthanc", "delivered")
    ] * len(journeys)


def test_the_node_said_where_to_send(peers):
    """
    In one line: our title and port, and where the results go.
    """
    orthanc, node = peers

    assert f"SGSEG at 127.0.0.1:{node.port}" in node.said
    assert f"ORTHANC at 127.0.0.1:{orthanc.port}" in node.said


def test_the_patients_side_does_not_depend_on_how_the_image_is_stored(journeys):
    """
    Mirrored with a Patient Orientation that says so: the same lungs, over the same tissue.
    """
    standard, mirrored = (
        {side: journey.orientation.to_display(mask) for side, mask in journey.masks.items()}
        for journey in journeys.values()
    )

    assert standard.keys() == mirrored.keys()
    for side, mask in standard.items():
        np.testing.assert_array_equal(mirrored[side], mask)
