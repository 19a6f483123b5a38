"""A connection that ends at a moment, whatever the peer sends until then: a time limit for each read is none."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

CONNECT_SECONDS = 10.0
"""For the connection, and for each answer after that."""

WHOLE_SECONDS = 30.0
"""For all of it."""


@contextmanager
def deadline(connection: Callable[[], socket.socket | None]) -> Iterator[None]:
    """Shut down what *connection* gives after `WHOLE_SECONDS`; the block then fails with an error of its library."""

    def end() -> None:
        with suppress(OSError):  # it is closed already
            if (found := connection()) is not None:
                # Not SSLSocket's own method: it takes TLS away from a read that goes on in another thread.
                socket.socket.shutdown(found, socket.SHUT_RDWR)

    timer = threading.Timer(WHOLE_SECONDS, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
