"""The routing that ships, in a real Orthanc: radiographs go to the node, its results come back and stay there."""

import itertools
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import ComprehensiveSRStorage, SegmentationStorage

from node.jobs import Entry
from sgseg_dicom.config import Config, load
from tests.node.processes import RECEIVE, ROOT, STAND_IN, half, settled, wait_for
from tests.support.builders import chest_radiograph, write
from tests.system.network import own_network
from tests.system.orthanc import (
    PYTHON,
    Orthanc,
    classes,
    needs_peers,
    needs_python_plugin,
    running_orthanc,
)
from tests.system.running_node import write_config

pytestmark = [pytest.mark.system, needs_peers, needs_python_plugin]

FOLDER = ROOT / "deploy/orthanc"


@dataclass(frozen=True)
class Peers:
    """An archive that routes by a script that ships, and the node that it routes to."""

    archive: Orthanc
    config: Config
    folder: Path
    running: ExitStack

    def start_node(self) -> None:
        """Start the receiver, and a worker with a stand-in for the model."""
        enter = self.archive.network.command()
        for arguments in (RECEIVE, STAND_IN):
            self.running.enter_context(half(arguments, self.config, self.folder, enter=enter))

    def store(self, **keywords: Any) -> Dataset:
        """Send a radiograph to the archive, as a modality does."""
        ds = chest_radiograph(**keywords)
        self.archive.store(write(ds, self.folder / "sent.dcm"))
        return ds

    def answered(self, ds: Dataset) -> Entry:
        """Wait until the node has judged it and delivered the results."""
        return settled(self.config, str(ds.SOPInstanceUID))[0]

    def routed(self) -> list[str]:
        """Give what Orthanc sent by itself, the SOP Instance UIDs, whether it was taken or not."""
        sent = [job["Content"] for job in self.archive.asked("/jobs?expand")]
        instances = [one for content in sent for one in content["ParentResources"]]
        return [
            self.archive.asked(f"/instances/{one}/simplified-tags")["SOPInstanceUID"] for one in instances
        ]


def settings_of(script: Path) -> Mapping[str, Any]:
    """Give what orthanc.json needs for a script, as the script itself says."""
    if script.suffix == ".lua":
        return {"LuaScripts": [str(script)], "JobsHistorySize": 100}
    return {"Plugins": [str(PYTHON)], "PythonScript": str(script), "JobsHistorySize": 100}


@contextmanager
def peers_with(name: str, folder: Path) -> Iterator[Peers]:
    """Run an archive with a script that ships, in the folder of a test; what waits does so for a second."""
    script = folder / name
    script.write_text(re.sub(r"(FIRST_PAUSE, LONGEST_PAUSE = )\d+", r"\g<1>1", (FOLDER / name).read_text()))
    (folder / "db").mkdir()
    with own_network() as network, ExitStack() as running:
        port = load(write_config(folder, [])).receive.port
        archive = running.enter_context(
            running_orthanc(network, folder / "db", node_port=port, more=settings_of(script))
        )
        config = load(write_config(folder, [archive.destination]))
        receive = config.receive.model_copy(update={"port": port})
        yield Peers(archive, config.model_copy(update={"receive": receive}), folder, running)


@pytest.fixture(scope="module", params=["route.lua", "route.py"])
def peers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    """Both scripts in turn. The first image came while the node did not run."""
    with peers_with(request.param, tmp_path_factory.mktemp("routing")) as made:
        yield made


@pytest.fixture(scope="module")
def early(peers: Peers) -> Dataset:
    """An image that the node could not take at first."""
    ds = peers.store(seed=1)
    wait_for(peers.routed, what="the first attempt")
    peers.start_node()
    return ds


def test_an_image_that_came_while_the_node_was_down_is_sent_when_it_runs(peers, early):
    """Sooner or later: the Lua script needs something that comes after it, in Orthanc before 1.11.1."""
    seeds = itertools.count(100)

    def others_come_until_it_is_sent() -> bool:
        return early.SOPInstanceUID in begun(peers) or not peers.store(
            seed=next(seeds), BodyPartExamined="HAND"
        )

    wait_for(others_come_until_it_is_sent, what="the image to be sent again")

    assert peers.answered(early).settled


def begun(peers: Peers) -> list[str]:
    """Give what the node began to judge."""
    file = peers.folder / "begun"
    return file.read_text().split() if file.exists() else []


def equipment(**keywords: str) -> list[Dataset]:
    """Give a Contributing Equipment Sequence of one item, whose purpose is Processing Equipment."""
    code, item = Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "109102", "DCM", "Processing Equipment"
    item.PurposeOfReferenceCodeSequence = [code]
    for keyword, value in keywords.items():
        setattr(item, keyword, value)
    return [item]


@pytest.fixture(scope="module")
def last(peers: Peers, early: Dataset) -> tuple[list[str], Dataset]:
    """What must not be routed, and then a radiograph: when it is answered, all before it was looked at."""
    others = [
        peers.store(seed=11, BodyPartExamined="HAND"),
        peers.store(seed=12, Manufacturer="sgseg-dicom"),
        peers.store(seed=13, ContributingEquipmentSequence=equipment(Manufacturer="sgseg-dicom")),
        peers.store(seed=14, kind="SC byte"),
    ]
    ds = peers.store(seed=20)
    peers.answered(ds)
    return [str(one.SOPInstanceUID) for one in others], ds


def test_a_chest_radiograph_comes_back_as_results_in_its_study(peers, last):
    """From the archive to the node and back, with nobody in between."""
    _, ds = last

    found = classes(peers.archive.find(ds.StudyInstanceUID))
    assert set(found.values()) == {ds.SOPClassUID, SegmentationStorage, ComprehensiveSRStorage}


def test_the_node_gets_no_results_of_its_own_and_no_other_part_of_the_body(peers, last):
    """After results have come back, one more radiograph is sent: before it, they would have been routed."""
    others, ds = last
    after = peers.store(seed=21)
    peers.answered(after)

    results = [uid for uid in classes(peers.archive.find(ds.StudyInstanceUID)) if uid != ds.SOPInstanceUID]
    assert len(results) == 2
    assert set(peers.routed()) & {*others, *results} == set()
    assert peers.routed().count(str(ds.SOPInstanceUID)) == 1


def test_an_image_without_a_body_part_is_sent(peers, last):
    """The node looks at it: what it does not judge gets an answer that says so."""
    ds = peers.store(kind="CR", seed=22, BodyPartExamined="")

    assert peers.answered(ds).settled


def test_other_equipment_beside_the_processing_code_does_not_hold_an_image_back(peers, last):
    """Noise reduction by somebody else is Processing Equipment too."""
    ds = peers.store(seed=23, ContributingEquipmentSequence=equipment(Manufacturer="ACME"))

    assert peers.answered(ds).settled


def test_the_command_of_the_guide_sends_everything_since_a_day_again(peers, last):
    """What the node has already, it does not judge twice."""
    _, ds = last
    guide = (ROOT / "docs/administrator.md").read_text("utf-8").replace("\\\n", " ")
    (command,) = re.findall(r"(?m)^ +(curl .+/modalities/sgseg/store .*)$", guide)
    here = command.replace(":8042/", f":{peers.archive.http_port}/").replace("20261130-", f"{ds.StudyDate}-")
    before = peers.routed().count(str(ds.SOPInstanceUID))

    done = peers.archive.network.run("bash", "-c", here)

    assert done.returncode == 0, done.stderr
    assert peers.routed().count(str(ds.SOPInstanceUID)) == before + 1
    assert begun(peers).count(str(ds.SOPInstanceUID)) == 1
