"""DICOMweb with a real peer: the node sends its results to Orthanc's plugin, and another client reads them back."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import Comprehensive3DSRStorage, SegmentationStorage, generate_uid

from node.jobs import Entry
from node.store.store import open_store
from sgseg_dicom.pipeline import Pipeline
from sgseg_dicom.records import Finding
from tests.support.builders import radiograph_of, write
from tests.system.images import infected_chests
from tests.system.network import own_network
from tests.system.orthanc import Orthanc, needs_dicomweb, needs_peers, running_orthanc
from tests.system.running_node import NODE, RunningNode, running_node, write_config
from tests.system.test_archive import masks_of, store

pytestmark = [pytest.mark.system, needs_peers, needs_dicomweb]


@dataclass(frozen=True)
class Journey:
    """
    One image, after its results went all the way.

    Attributes:
        entry: what the node says of it.
        kept: the results as the node keeps them.
        arrived: what WADO-RS brings of its study.
        expected: what the model finds on the same file, in this process.
    """

    entry: Entry
    kept: list[Dataset]
    arrived: list[Dataset]
    expected: Finding

    def arrived_as(self, sop_class: str) -> Dataset:
        """Give the one result of a SOP class."""
        (result,) = [ds for ds in self.arrived if ds.SOPClassUID == sop_class]
        return result


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Orthanc, RunningNode]]:
    """An archive, and a node that knows it by its DICOMweb address alone."""
    archive, node = tmp_path_factory.mktemp("archive") / "db", tmp_path_factory.mktemp("node")
    archive.mkdir()
    with (
        own_network() as network,
        running_orthanc(network, archive) as orthanc,
        running_node(write_config(node, [orthanc.web_destination]), network) as running,
    ):
        yield orthanc, running


@pytest.fixture(scope="module")
def journey(
    peers: tuple[Orthanc, RunningNode], pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory
) -> Journey:
    """The journey of a chest with an infection."""
    orthanc, node = peers
    ds = radiograph_of(infected_chests(1)[0], SOPInstanceUID=generate_uid(), StudyInstanceUID=generate_uid())
    file = write(ds, tmp_path_factory.mktemp("images") / "chest.dcm")
    store(node, file)
    (entry,) = node.settled(ds.SOPInstanceUID)
    return Journey(
        entry=entry,
        kept=results_of(node, entry),
        arrived=orthanc.wado(ds.StudyInstanceUID),
        expected=pipeline(file).finding,
    )


def results_of(node: RunningNode, entry: Entry) -> list[Dataset]:
    """Read what the node keeps for an image."""
    folder = open_store(node.config).results.folder_of(entry.job.id)
    assert folder is not None
    return [dcmread(file) for file in sorted(folder.glob("*.dcm"))]


def by_uid(objects: list[Dataset]) -> dict[str, Dataset]:
    return {str(ds.SOPInstanceUID): ds for ds in objects}


def test_the_delivery_is_told(journey):
    """
    `sgseg-node status` says that the archive has the results.
    """
    assert [(sent.destination, sent.state, sent.detail) for sent in journey.entry.deliveries] == [
        ("Orthanc", "delivered", "")
    ]


def test_what_arrives_is_what_is_kept(journey):
    """
    The SEG and the reports, nothing else, element for element.
    """
    assert Comprehensive3DSRStorage in {ds.SOPClassUID for ds in journey.arrived}
    assert by_uid(journey.arrived) == by_uid(journey.kept)


def test_the_mask_read_back_is_the_models(journey):
    """
    Pixel for pixel, each lung.
    """
    if not journey.expected.regions:
        pytest.skip("the model marks nothing on this image: there is no SEG to look at")
    masks = masks_of(journey.arrived_as(SegmentationStorage))

    assert masks.keys() == {region.laterality for region in journey.expected.regions}
    for region in journey.expected.regions:
        np.testing.assert_array_equal(masks[region.laterality], region.mask)


def test_results_that_are_sent_again_are_taken_again(journey, peers):
    """
    `sgseg-node requeue`: the archive has them already, and says so; that is no failure.
    """
    _, node = peers
    uid = journey.entry.job.sop_instance_uid
    requeued = node.network.run(*NODE, "requeue", uid, "--config", node.file)
    assert requeued.returncode == 0, requeued.stderr
    (entry,) = node.settled(uid)

    assert [sent.state for sent in entry.deliveries] == ["delivered"]
    assert entry.deliveries[0].at > journey.entry.deliveries[0].at


def test_an_echo_finds_the_service(peers):
    """
    `sgseg-node echo` asks over DICOMweb.
    """
    _, node = peers
    answer = node.network.run(*NODE, "echo", "--config", node.file)

    assert (answer.returncode, answer.stdout) == (0, "Orthanc: answers\n"), answer.stderr


def test_an_echo_to_another_page_of_the_same_server_is_told(peers, tmp_path):
    """
    Orthanc's own pages are no DICOMweb service.
    """
    orthanc, node = peers
    wrong = {**orthanc.web_destination, "url": orthanc.url.replace("dicom-web", "app")}
    answer = node.network.run(*NODE, "echo", "--config", write_config(tmp_path, [wrong]))

    assert answer.returncode == 1
    assert "check url" in answer.stdout
