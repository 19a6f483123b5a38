"""Reads PDUs for pynetdicom: large pieces at once, no more than was announced, and each PDU whole in time."""

import socket
import ssl
import time

from node.receive.places import Place
from sgseg_dicom.config import Receive

_READ_BYTES = 1 << 18
_TLS_READ_BYTES = 1 << 14
"""A TLS record has no more (RFC 8446 5.1), and one read gives no more than a record."""

_SLACK_BYTES = 1 << 16
"""A PDU has headers beside its announced length."""

_SLOWEST_BYTES = 32_000
"""Bytes a second of the slowest line; a PDU has so much more time than [receive] pdu_seconds."""


class PduReader:
    """
    Stands where pynetdicom's `AssociationSocket.recv` stands, which reads 4 kB at a time and waits for ever.

    Args:
        connection: of the peer.
        settings: section [receive].
        place: of the association; it notes what comes, and why nothing more is read.
        request: a whole association request that was read already; it comes first.
    """

    def __init__(self, connection: socket.socket, settings: Receive, place: Place, request: bytes) -> None:
        self._connection = connection
        self._settings = settings
        self._place = place
        self._request = bytearray(request)
        self._limit = settings.max_pdu_bytes + _SLACK_BYTES
        self._at_once = _TLS_READ_BYTES if isinstance(connection, ssl.SSLSocket) else _READ_BYTES

    def receive(self, count: int) -> bytearray:
        """
        Read *count* bytes, or fewer where the peer has closed the connection.

        Raises:
            OSError: the association is over, the peer announced too much, or it was too slow. pynetdicom then closes.
        """
        if self._request:
            piece = self._request[:count]
            del self._request[:count]
            return piece
        if self._place.over:
            raise ConnectionAbortedError("the association is over")
        if count > self._limit:
            raise OSError(
                self._failed(f"it sent a PDU of more than the {self._limit} bytes that are accepted")
            )
        try:
            return self._read(count)
        finally:
            self._connection.settimeout(self._settings.idle_seconds)

    def _read(self, count: int) -> bytearray:
        until = time.monotonic() + self._settings.pdu_seconds + count / _SLOWEST_BYTES
        received = bytearray()
        while missing := count - len(received):
            left = until - time.monotonic()
            self._connection.settimeout(max(left, 0.001))
            try:
                piece = self._connection.recv(min(missing, self._at_once))
            except TimeoutError as error:
                raise TimeoutError(self._failed("a PDU did not come whole in time")) from error
            except ssl.SSLError as error:
                self._failed(f"its TLS connection broke ({error.reason})")
                raise
            if not piece:
                self._failed("its connection was closed without a release")
                break
            received += piece
            self._place.note_bytes(len(piece))
            if left <= 0:
                raise TimeoutError(self._failed("a PDU did not come whole in time"))
        return received

    def _failed(self, why: str) -> str:
        self._place.why = why
        return why
