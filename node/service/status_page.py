"""The status page: /, /live and /ready over HTTP. It shows counts and names of machines, and no patient data."""

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
from sgseg_dicom.errors import StorageUnavailable

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
    """

    problems: tuple[str, ...]
    address: str
    destinations: tuple[str, ...]
    counts: dict[str, int] = field(default_factory=dict)
    associations: Mapping[str, int] = field(default_factory=dict)
    model: str = ""


def build(health: Callable[[], Health], *, names: Sequence[str] = ()) -> Starlette:
    """Build the page. *health* is called for every request; *names* are more names of this machine."""
    pages = jinja2.Environment(loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True)

    def live(request: Request) -> Response:
        return JSONResponse({"live": True})

    def ready(request: Request) -> Response:
        problems = health().problems
        return JSONResponse(
            {"ready": not problems, "problems": list(problems)}, status_code=503 if problems else 200
        )

    def page(request: Request) -> Response:
        return HTMLResponse(pages.get_template("status.html").render(health=health()))

    return Starlette(
        routes=[Route("/", page), Route("/live", live), Route("/ready", ready)],
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
