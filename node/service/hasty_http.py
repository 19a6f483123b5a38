"""
HTTP connections that live a few seconds: who sends a request slowly, or none, holds nothing for long.

uvicorn closes connections that are idle after a request, but waits for ever for the end of one.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTION_SECONDS = 10.0
"""The status page is answered in far less; a client that keeps its connection open makes another one."""

_MOST_CONNECTIONS = 64
"""The oldest one without a request in work gives way to a new one."""


class HastyProtocol(H11Protocol):
    """uvicorn's protocol with a limit for the life of a connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection."""
        super().connection_made(transport)
        self._late = self.loop.call_later(CONNECTION_SECONDS, self._close_unless_answering)
        if len(self.connections) > _MOST_CONNECTIONS:
            oldest = min(self.connections, key=lambda one: one._late.when())  # type: ignore[union-attr]
            oldest._close_unless_answering()  # type: ignore[union-attr]

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._late.cancel()
        super().connection_lost(exc)

    def _close_unless_answering(self) -> None:
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete:
            self.transport.close()
        else:
            self._late = self.loop.call_later(CONNECTION_SECONDS, self.transport.close)
