"""
The listening socket. A connection becomes an association only when its peer has sent the first byte.

pynetdicom counts every accepted connection as an association (ten silent ones lock the senders out), and
it would do a TLS handshake in the accept loop. Here each connection waits in a thread of its own, with a time
limit, and each address may have only a few of them. A TLS handshake would belong in
`Listener.process_request_thread`, before the first byte.
"""

import socket
import socketserver
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from pynetdicom import AE, _config
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from node.association_requests import calling_title, read_tidied
from node.receive.command_sets import TidyCommands
from node.receive.scp import Handler
from sgseg_dicom.accepted_objects import SOP_CLASSES
from sgseg_dicom.config import Receive

log = structlog.get_logger(__name__)

_READ_BYTES = 1 << 18
_SLACK_BYTES = 1 << 16
"""A PDU has headers beside its announced length, and the announced limit does not apply to association requests."""


class Listener(ThreadedAssociationServer):
    """An association server that silent connections cannot exhaust."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self, *args: Any, settings: Receive, **keywords: Any) -> None:
        self.settings = settings
        self._silent: Counter[str] = Counter()
        self._counting = threading.Lock()
        super().__init__(*args, **keywords)

    @property
    def port(self) -> int:
        """The port on which connections are accepted."""
        return self.server_address[1]

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept a connection. From here on each read and write on it has a time limit."""
        connection, address = super().get_request()
        connection.settimeout(self.settings.opening_seconds)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Accept the connection unless its address has too many silent ones already."""
        with self._counting:
            if self._silent[client_address[0]] >= self.settings.max_silent_connections:
                return False
            self._silent[client_address[0]] += 1
        return True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Wait for the first byte, then let pynetdicom open the association."""
        try:
            has_sent = bool(request.recv(1, socket.MSG_PEEK))
        except OSError:  # silent for too long, or closed
            has_sent = False
        with self._counting:
            self._silent[client_address[0]] -= 1
        if has_sent:
            request.settimeout(self.settings.idle_seconds)
            super().process_request_thread(request, client_address)
        else:
            log.debug("silent_connection", address=client_address[0])
            self.shutdown_request(request)

    def start(self) -> None:
        """Accept connections in a thread."""
        threading.Thread(target=self.serve_forever, args=(0.1,), name="listener", daemon=True).start()

    def stop(self, *, patience_seconds: float) -> None:
        """Accept nothing more, wait for open associations, and abort those that do not end."""
        socketserver.BaseServer.shutdown(self)
        self.server_close()
        deadline = time.monotonic() + patience_seconds
        while self.active_associations and time.monotonic() < deadline:
            time.sleep(0.05)
        for association in self.active_associations:
            association.abort()
        tempfile.tempdir = None  # see `listen`


class _Connection(RequestHandler):
    """Opens associations that read large pieces from the socket, and what their peers send tidied."""

    def _create_association(self) -> Association:
        association = super()._create_association()
        reader = association.dul.socket
        limit = self.ae.maximum_pdu_size + _SLACK_BYTES
        reader.recv = partial(_receive, reader.socket, limit)  # type: ignore
        read_tidied(association, on_unreadable=self._log_unreadable)
        TidyCommands(association, known=SOP_CLASSES, on_refused=self._log_refused)
        return association

    def _log_unreadable(self, request: bytes, why: str) -> None:
        """Name who was turned away, before pynetdicom aborts: it tells nobody."""
        log.warning(
            "association_aborted",
            peer=calling_title(request),
            address=self.client_address[0],
            detail=f"its association request cannot be read ({why}); correct the sender's settings or software",
        )

    def _log_refused(self, why: str) -> None:
        log.warning("not_understood", address=self.client_address[0], detail=why)


def _receive(connection: socket.socket, limit: int, count: int) -> bytearray:
    """
    Read *count* bytes, or fewer where the peer has closed the connection. pynetdicom itself reads 4 kB at a time.

    Raises:
        OSError: the peer announced more than *limit*, or was silent for too long. pynetdicom then closes.
    """
    if count > limit:
        raise OSError(f"a PDU of {count} bytes, at most {limit} are accepted")
    received = bytearray()
    while (missing := count - len(received)) and (piece := connection.recv(min(missing, _READ_BYTES))):
        received += piece
    return received


def listen(
    settings: Receive, *, contexts: list[PresentationContext], handlers: Sequence[Handler], spool: Path
) -> Listener:
    """
    Bind the socket, and accept connections in the background.

    Args:
        settings: section [receive] of the configuration.
        contexts: the supported presentation contexts.
        handlers: event handlers of pynetdicom.
        spool: folder for data sets that are being received, on the file system where they will stay. A handler
            finds the path of the file in `event.dataset_path`.

    Raises:
        OSError: the address or the port is not free.
    """
    _config.STORE_RECV_CHUNKED_DATASET = True
    _config.LOG_HANDLER_LEVEL = "none"
    tempfile.tempdir = str(spool)
    ae = AE(settings.ae_title)
    ae.maximum_associations = settings.max_associations
    ae.maximum_pdu_size = settings.max_pdu_bytes
    ae.require_calling_aet = list(settings.calling_ae_titles)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = settings.idle_seconds
    listener: Listener = ae.make_server(  # type: ignore[assignment]
        (settings.host, settings.port),
        contexts=contexts,
        evt_handlers=list(handlers),  # type: ignore[arg-type]
        server_class=Listener,
        request_handler=_Connection,
        settings=settings,
    )
    listener.start()
    return listener
