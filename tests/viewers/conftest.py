"""What the tests of the viewers share: one archive with all studies, one browser, one page."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.system.network import own_network
from tests.system.orthanc import Orthanc, running_orthanc
from tests.viewers.browser import open_page, served_viewers
from tests.viewers.ohif import Ohif
from tests.viewers.studies import Study, archived_studies

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="package")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """An archive in a network of its own."""
    folder = tmp_path_factory.mktemp("archive") / "db"
    folder.mkdir()
    with own_network() as network, running_orthanc(network, folder) as orthanc:
        yield orthanc


@pytest.fixture(scope="package")
def studies(archive: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Study]:
    """The studies in the archive."""
    return archived_studies(archive, tmp_path_factory.mktemp("studies"))


@pytest.fixture(scope="package")
def origin(archive: Orthanc) -> Iterator[str]:
    """Where the viewers are served."""
    with served_viewers(archive) as origin:
        yield origin


@pytest.fixture(scope="package")
def page(archive: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Page]":
    """The page, which one test after the other uses."""
    with open_page(archive.network, tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture(scope="package")
def ohif(page: "Page", origin: str) -> Ohif:
    """OHIF in this page."""
    return Ohif(page, origin)
