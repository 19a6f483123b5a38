"""By which names the status page may be asked: a foreign one means that a browser was led here (DNS rebinding)."""

import ipaddress
import socket
from collections.abc import Sequence

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class KnownHosts:
    """
    Refuses requests whose Host header names another machine (RFC 9110 15.5.20).

    An IP address is always right: no name can be made to lead to it. So is a request without the header (HTTP/1.0).

    Args:
        app: what answers the others.
        names: of this machine, beside its own and "localhost".
    """

    def __init__(self, app: ASGIApp, names: Sequence[str] = ()) -> None:
        self._app = app
        self._names = {"localhost", socket.gethostname().lower(), *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        headers = dict(scope.get("headers", ()))
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if scope["type"] == "http" and not self._is_known(_without_port(host)):
            refusal = PlainTextResponse(
                "this name is not known here; add it to [page] names, or ask by address\n", status_code=421
            )
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_known(self, host: str) -> bool:
        if not host or host.rstrip(".") in self._names:
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True


def _without_port(host: str) -> str:
    """Give the name or the address of a Host header (RFC 9110 7.2)."""
    if host.startswith("["):
        return host[1:].split("]")[0]
    return host.rpartition(":")[0] if ":" in host else host
