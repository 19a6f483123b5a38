"""Debian's Chromium, without a window and without a network, and the viewers in it."""

import importlib.util
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.node.processes import ROOT
from tests.support.ports import free_ports
from tests.system.network import Network
from tests.system.orthanc import DCMTK, DICOMWEB, ORTHANC, Orthanc
from tests.viewers.server import HERE, PACKAGES

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE_SECONDS = 300
"""A viewer that starts on a busy machine."""

_NEEDED = {
    "Orthanc (apt: orthanc)": ORTHANC is not None,
    "its DICOMweb (apt: orthanc-dicomweb)": DICOMWEB.exists(),
    "DCMTK (apt: dcmtk)": (DCMTK / "storescu").exists(),
    "Chromium (apt: chromium)": CHROMIUM.exists(),
    "playwright (PyPI, in the test extra)": importlib.util.find_spec("playwright") is not None,
    "the viewers (npm ci --prefix tests/viewers)": (PACKAGES / "@ohif").is_dir(),
}
_missing = [name for name, there in _NEEDED.items() if not there]
needs_viewers = pytest.mark.skipif(bool(_missing), reason=f"not installed: {', '.join(_missing)}")

_FLAGS = (
    "--no-sandbox",
    # OHIF draws with WebGL only: in software, where there is no GPU.
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
)


@contextmanager
def served_viewers(archive: Orthanc) -> Iterator[str]:
    """Serve the viewers beside *archive*; give their origin."""
    (port,) = free_ports(1)
    server = archive.network.start(
        *(sys.executable, "-m", "tests.viewers.server", port, archive.http_port),
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    with server:
        try:
            assert server.stdout.readline() == "listening\n"
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


@contextmanager
def open_page(network: Network, folder: Path) -> "Iterator[Page]":
    """Open an empty page of a browser that runs in *network*."""
    from playwright.sync_api import sync_playwright

    program = folder / "chromium"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(network.command(CHROMIUM))} "$@"\n')
    program.chmod(0o755)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        page = browser.new_page(viewport={"width": 1100, "height": 680})
        page.set_default_timeout(1000 * PATIENCE_SECONDS)
        page.add_init_script(path=HERE / "probe.js")
        # OHIF shows newcomers around, under a veil.
        page.add_init_script("localStorage.setItem('shownTours', JSON.stringify(['basicViewerTour']))")
        yield page
        browser.close()
