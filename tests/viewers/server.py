"""
One origin for a browser: the viewers' built files, and Orthanc's DICOMweb behind them.

Run as `python -m tests.viewers.server PORT ORTHANC_PORT` in the network of the archive.
"""

import http.client
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PACKAGES = HERE / "node_modules"
PAGES = HERE / "pages"
_OHIF = PACKAGES / "@ohif" / "app" / "dist"

_ARCHIVE = ("/dicom-web/", "/wado?")
_FORWARDED = ("Accept", "Content-Type")


class Viewers(SimpleHTTPRequestHandler):
    """OHIF at `/` with our configuration, our pages and all packages beside it; the archive's web services."""

    protocol_version = "HTTP/1.1"
    archive_port = 0

    def do_GET(self) -> None:
        """Answer from a file, or with what the archive answers."""
        if self.path.startswith(_ARCHIVE):
            self._ask_the_archive()
        else:
            super().do_GET()

    def translate_path(self, path: str) -> str:
        """Find the file of a path; every other path is a view of OHIF's single page."""
        name = path.split("?")[0].lstrip("/")
        files = (folder / name for folder in (PAGES, _OHIF, PACKAGES) if name)
        return str(next((file for file in files if file.is_file()), _OHIF / "index.html"))

    def log_message(self, format: str, *args: Any) -> None:
        """Keep silent: the archive's log has what matters."""

    def _ask_the_archive(self) -> None:
        archive = http.client.HTTPConnection("127.0.0.1", self.archive_port)
        headers = {name: self.headers[name] for name in _FORWARDED if name in self.headers}
        # Orthanc names its own address in answers unless it is told ours.
        archive.request("GET", self.path, headers={**headers, "Host": self.headers["Host"]})
        answer = archive.getresponse()
        body = answer.read()
        archive.close()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.getheader("Content-Type", "application/octet-stream"))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    port, Viewers.archive_port = map(int, sys.argv[1:])
    with ThreadingHTTPServer(("127.0.0.1", port), Viewers) as server:
        print("listening", flush=True)
        server.serve_forever()
