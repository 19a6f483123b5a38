"""The status page: /, /live, /ready and /metrics over HTTP. It shows counts and names of machines, and no patient."""

import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from node.service.hasty_http import HastyProtocol
from node.service.known_hosts import KnownHosts
from node.watch.degraded import Degradation
from node.watch.worker_state import WorkerState
from node.work.queue import Waiting
from sgseg_dicom.errors import StorageUnavailable

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus' text format."""

_TEMPLATES = Path(__file__).parent / "pages"


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """
    What the page shows.

    Attributes:
        problems: why nothing can be received or processed now; empty where there is no problem.
        address: where to send images, for example "SGSEG at 127.0.0.1:11112".
        destinations: names of the destinations.
        counts: jobs by state.
        associations: what the receiver counted since it started: who was let in, and why others were not.
        model: what runs the model; "" before it is loaded.
        degraded: what is wrong though images are taken and judged (`node.watch.degraded`).
        waiting: what waits, and since when.
        worker: what the worker tells of its model and its destinations.
    """

    problems: tuple[str, ...]
    address: str
    destinations: tuple[str, ...]
    counts: dict[str, int] = field(default_factory=dict)
    associations: Mapping[str, int] = field(default_factory=dict)
    model: str = ""
    degraded: tuple[Degradation, ...] = ()
    waiting: Waiting = field(default_factory=Waiting)
    worker: WorkerState = field(default_factory=WorkerState)

    @property
    def warnings(self) -> list[str]:
        """What is degraded, in sentences."""
        return [one.words for one in self.degraded]


def build(
    health: Callable[[], Health], *, metrics: Callable[[], str] = str, names: Sequence[str] = ()
) -> Starlette:
    """
    Build the page.

    Args:
        health: called for every request.
        metrics: gives what Prometheus reads.
        names: more names of this machine.
    """
    pages = jinja2.Environment(loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True)

    def live(request: Request) -> Response:
        return JSONResponse({"live": True})

    def ready(request: Request) -> Response:
        found = health()
        said = {"ready": not found.problems, "problems": list(found.problems), "warnings": found.warnings}
        return JSONResponse(said, status_code=503 if found.problems else 200)

    def page(request: Request) -> Response:
        return HTMLResponse(pages.get_template("status.html").render(health=health()))

    def measured(request: Request) -> Response:
        return Response(metrics(), media_type=METRICS_TYPE)

    return Starlette(
        routes=[Route("/", page), Route("/live", live), Route("/ready", ready), Route("/metrics", measured)],
        middleware=[Middleware(KnownHosts, names=names)],
    )


class Page:
    """The page, served by a thread of its own."""

    def __init__(self, app: Starlette, *, host: str, port: int) -> None:
        """
        Bind the socket.

        Raises:
            StorageUnavailable: the address or the port is not free.
        """
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._socket = socket.create_server((host, port), family=family)
        except OSError as error:
            raise StorageUnavailable(
                f"cannot listen on [page] host {host}, port {port} ({error.strerror}); set another one"
            ) from error
        self.port = int(self._socket.getsockname()[1])
        settings = uvicorn.Config(
            app,
            http=HastyProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            lifespan="off",
        )
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)

    def start(self) -> None:
        """Serve in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        self._thread.join(5.0)
        self._socket.close()
