"""What the tests of the node share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import generate_uid

from node.jobs import Entry
from sgseg_dicom.config import Config
from tests.node.processes import RECEIVE, STAND_IN, Archive, Half, half, send, settled
from tests.support.certificates import Site, authority, certificate


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Give certificates that are in order."""
    folder = tmp_path_factory.mktemp("site")
    signer = authority(folder)
    node, modality = (certificate(folder, signer, name) for name in ("node", "modality"))
    return Site(folder, signer, node, modality)


@pytest.fixture
def archive() -> Iterator[Archive]:
    """A destination that stores everything."""
    peer = Archive()
    yield peer
    peer.close()


def settings(folder: Path, *archives: Archive, **sections: Any) -> Config:
    """Give settings for a node in a folder of its own, on free ports, quick to retry."""
    given: dict[str, Any] = {
        "receive": {"port": 0},
        "store": {"folder": folder / "store", "min_free_megabytes": 0},
        "queue": {"retry_seconds": 0.05, "jobs_at_once": 3},
        "page": {"port": 0},
        "deliver": {"backoff_seconds": 0.05, "connect_seconds": 2.0, "answer_seconds": 5.0},
        "destination": [peer.destination.model_dump() for peer in archives],
    }
    for name, section in sections.items():
        given[name] = section if isinstance(section, list) else {**given.get(name, {}), **section}
    return Config.internal(**given)


@pytest.fixture
def configure(tmp_path: Path) -> Callable[..., Config]:
    """Give `settings` in the test's folder."""
    return partial(settings, tmp_path)


@dataclass(frozen=True)
class RunningNode:
    """A receiver and a stand-in worker that tests share, and their one destination."""

    config: Config
    receiver: Half
    worker: Half
    archive: Archive
    folder: Path

    def send(self, **keywords: Any) -> str:
        """C-STORE an image that was not sent before; give its SOP Instance UID."""
        return send(self.receiver, self.folder, SOPInstanceUID=generate_uid(), **keywords)

    def settled(self, uid: str) -> Entry:
        """Wait until the image has settled, and give its entry."""
        return settled(self.config, uid)[0]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node for the tests of one module that kill nothing."""
    folder, peer = tmp_path_factory.mktemp("node"), Archive()
    config = settings(folder, peer, log={"level": "debug"})
    with half(RECEIVE, config, folder) as receiver, half(STAND_IN, config, folder) as worker:
        yield RunningNode(config, receiver, worker, peer, folder)
    peer.close()


@pytest.fixture
def node(running: RunningNode) -> RunningNode:
    """The shared node, with a destination that has nothing yet and stores everything."""
    running.archive.got.clear()
    running.archive.answers = lambda count: 0x0000
    return running
