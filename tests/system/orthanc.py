"""Debian's Orthanc as the archive, and DCMTK's programs to ask it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import UID

from tests.node.processes import wait_for
from tests.support.ports import free_ports
from tests.system.network import Network

ORTHANC = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
# By full path: pynetdicom puts programs of the same names into the virtual environment.
DCMTK = Path("/usr/bin")
DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")

needs_peers = pytest.mark.skipif(
    ORTHANC is None or not (DCMTK / "storescu").exists(),
    reason="Orthanc or DCMTK is not installed (apt: orthanc, dcmtk)",
)

needs_dicomweb = pytest.mark.skipif(
    not DICOMWEB.exists(), reason="Orthanc's DICOMweb plugin is not installed (apt: orthanc-dicomweb)"
)

PYTHON = Path("/usr/share/orthanc/plugins/libOrthancPython.so")
needs_python_plugin = pytest.mark.skipif(
    not PYTHON.exists(), reason="Orthanc's Python plugin is not installed (apt: orthanc-python)"
)


class Orthanc:
    """An archive that knows two peers on loopback: the node, which may store, and the reader of a test."""

    title, reader = "ORTHANC", "READER"

    def __init__(
        self,
        network: Network,
        folder: Path,
        *,
        node_port: int = 104,
        more: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.network, self._node_port, self._more = network, node_port, more
        self.folder = folder
        self.port, self._reader_port, self.http_port = free_ports(3)

    @property
    def destination(self) -> dict[str, str | int]:
        """Give what the node's configuration calls it."""
        return {"name": "Orthanc", "ae_title": self.title, "host": "127.0.0.1", "port": self.port}

    @property
    def web_destination(self) -> dict[str, str | int]:
        """The same for deliveries over DICOMweb."""
        return {"name": "Orthanc", "protocol": "dicomweb", "url": self.url}

    @property
    def url(self) -> str:
        """Where its DICOMweb services are."""
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def find(self, study: str, *, level: str = "IMAGE") -> list[Dataset]:
        """C-FIND (study root) of all instances of a study."""
        return self._retrieve("findscu", study, level, "-X")

    def move(self, study: str) -> list[Dataset]:
        """C-MOVE a study to ourselves."""
        return self._retrieve("movescu", study, "STUDY", "-aem", self.reader, "+P", self._reader_port)

    def wado(self, study: str) -> list[Dataset]:
        """Retrieve a study over WADO-RS, with another project's client."""
        folder = self.folder / f"wado-{study}"
        folder.mkdir()
        client = (Path(sys.executable).with_name("dicomweb_client"), "--url", self.url)
        result = self.network.run(
            *client, "retrieve", "studies", "--study", study, "full", "--save", "--output-dir", folder
        )
        assert result.returncode == 0, result.stderr
        return [dcmread(path) for path in sorted(folder.iterdir())]

    def store_by_web(self, *files: Path) -> None:
        """Store over STOW-RS, by another project's client: also classes that Orthanc's C-STORE does not know."""
        client = (Path(sys.executable).with_name("dicomweb_client"), "--url", self.url)
        result = self.network.run(*client, "store", "instances", *files)
        assert result.returncode == 0, result.stderr

    def settings(self) -> str:
        """Give Orthanc's configuration."""
        peers = {
            "sgseg": ["SGSEG", "127.0.0.1", self._node_port],
            "reader": [self.reader, "127.0.0.1", self._reader_port],
        }
        settings = {
            "StorageDirectory": str(self.folder),
            "IndexDirectory": str(self.folder),
            "DicomAet": self.title,
            "DicomPort": self.port,
            "HttpPort": self.http_port,
            "Plugins": [str(DICOMWEB)] if DICOMWEB.exists() else [],
            "RemoteAccessAllowed": False,
            "DicomModalities": peers,
            "DicomCheckCalledAet": True,
            "DicomCheckModalityHost": True,
            "DicomAlwaysAllowEcho": False,
            "DicomAlwaysAllowStore": False,
        }
        return json.dumps(settings | self._more)

    def store(self, file: Path) -> None:
        """C-STORE an object into the archive."""
        result = self._dcmtk("storescu", file=file)
        assert result.returncode == 0, result.stderr

    def asked(self, path: str) -> Any:
        """Ask its REST API."""
        program = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())"
        url = f"http://127.0.0.1:{self.http_port}{path}"
        result = self.network.run(sys.executable, "-c", program, url)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def answers(self) -> bool:
        """C-ECHO."""
        return self._dcmtk("echoscu").returncode == 0

    def _retrieve(self, program: str, study: str, level: str, *options: object) -> list[Dataset]:
        keys = [f"QueryRetrieveLevel={level}", f"StudyInstanceUID={study}"]
        keys += ["SOPInstanceUID", "SOPClassUID"] if level == "IMAGE" else []
        folder = self.folder / f"{program}-{study}"
        folder.mkdir(exist_ok=True)
        result = self._dcmtk(
            program, "-S", "-od", folder, *options, *(part for key in keys for part in ("-k", key))
        )
        assert result.returncode == 0, result.stderr
        return [dcmread(path, force=True) for path in sorted(folder.iterdir())]

    def _dcmtk(
        self, program: str, *options: object, file: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        titles, files = ("-aet", self.reader, "-aec", self.title), [file] if file else []
        return self.network.run(DCMTK / program, *titles, *options, "127.0.0.1", self.port, *files)


@contextmanager
def running_orthanc(
    network: Network,
    folder: Path,
    *,
    node_port: int = 104,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[Orthanc]:
    """Run an archive that keeps its files in *folder*, reaches the node at *node_port*, and has *more* settings."""
    archive = Orthanc(network, folder, node_port=node_port, more=more)
    settings = folder.parent / "orthanc.json"
    settings.write_text(archive.settings())
    with (folder.parent / "orthanc.log").open("w") as log:
        process = network.start(ORTHANC, settings, stdout=log, stderr=log)
    try:
        wait_for(archive.answers, what="Orthanc to answer")
        yield archive
    finally:
        process.terminate()
        process.wait(30)


def classes(objects: list[Dataset]) -> dict[str, UID]:
    """Give the SOP classes of what was found, by SOP Instance UID."""
    return {str(found.SOPInstanceUID): found.SOPClassUID for found in objects}
