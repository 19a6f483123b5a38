"""A DICOMweb service on loopback that answers as a test tells it to."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import uvicorn
from pydicom import dcmread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sgseg_dicom.config import WebDestination
from tests.node.processes import wait_for

Answer = Callable[["Asked"], Response]
JSON = "application/dicom+json"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request: its method, path with query, headers in lower case, and body."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def part(self) -> bytes:
        """The one part of a multipart message."""
        boundary = re.search("boundary=([^;]+)", self.headers["content-type"])[1].encode()
        head = b"--" + boundary + b"\r\nContent-Type: application/dicom\r\n\r\n"
        tail = b"\r\n--" + boundary + b"--\r\n"
        assert self.body.startswith(head)
        assert self.body.endswith(tail)
        return self.body[len(head) : -len(tail)]

    @property
    def uid(self) -> str:
        """The SOP Instance UID of what was sent."""
        return str(dcmread(BytesIO(self.part)).SOPInstanceUID)


def report(
    *, stored: str | None = None, reason: int | None = None, warning: int | None = None, failed: str = "1.2"
) -> str:
    """Give a Store Instances Response Module in the DICOM JSON model, as services send it."""
    parts = []
    if stored is not None:
        more = f', "00081196": {{"vr": "US", "Value": [{warning}]}}' if warning else ""
        uid = f'"00081155": {{"vr": "UI", "Value": ["{stored}"]}}'
        parts.append(f'"00081199": {{"vr": "SQ", "Value": [{{{uid}{more}}}]}}')
    if reason is not None:
        uid = f'"00081155": {{"vr": "UI", "Value": ["{failed}"]}}'
        parts.append(
            f'"00081198": {{"vr": "SQ", "Value": [{{{uid}, "00081197": {{"vr": "US", "Value": [{reason}]}}}}]}}'
        )
    return "{" + ", ".join(parts) + "}"


def stored(asked: Asked) -> Response:
    """Answer as a service that stores, and finds nothing when it is queried."""
    if asked.method == "GET":
        return Response(status_code=204)
    return Response(report(stored=asked.uid), media_type=JSON)


class Service:
    """
    The service.

    Attributes:
        asked: the requests so far.
        answer: gives the response to each of them.
    """

    def __init__(self, **options: Any) -> None:
        self.asked: list[Asked] = []
        self.answer: Answer = stored
        app = Starlette(routes=[Route("/{path:path}", self._respond, methods=["GET", "POST"])])
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", **options)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        wait_for(lambda: self._server.started, what="the service to start")
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        self._scheme = "https" if config.is_ssl else "http"

    def destination(self, **keys: Any) -> WebDestination:
        """Give what the configuration calls it."""
        url = f"{self._scheme}://127.0.0.1:{self.port}/dicom-web"
        return WebDestination(**{"name": "web", "protocol": "dicomweb", "url": url, **keys})

    async def _respond(self, request: Request) -> Response:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        asked = Asked(
            method=request.method, path=path, headers=dict(request.headers), body=await request.body()
        )
        self.asked.append(asked)
        return self.answer(asked)

    def close(self) -> None:
        """Stop listening."""
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(30)


@contextmanager
def running_service(**options: Any) -> Iterator[Service]:
    """Run a service for the time of a test."""
    service = Service(**options)
    try:
        yield service
    finally:
        service.close()


def saved(folder: Path, name: str, text: str) -> Path:
    """Write a file for a destination's settings."""
    (folder / name).write_text(text, "utf-8")
    (folder / name).chmod(0o600)
    return folder / name
