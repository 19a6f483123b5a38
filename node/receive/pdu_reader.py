"""Reads PDUs: much at once, no more than was announced, and each PDU whole in time."""

import socket
import ssl
import struct
import time
from collections.abc import Sequence

from node.receive.places import Place
from sgseg_dicom.config import Receive

_BUFFER_BYTES = 1 << 18
_SLACK_BYTES = 1 << 16
"""A PDU has headers beside its announced length."""

_SLOWEST_BYTES = 32_000
"""Bytes a second of the slowest line; a PDU has so much more time than [receive] pdu_seconds."""

_HEAD = 6
"""Bytes of a PDU's type and length (PS3.8 9.3.1)."""

_P_DATA = 4
Fragment = tuple[int, memoryview]
"""The id of a presentation context, and a message control header with what follows it (PS3.8 E.2)."""


class PduReader:
    """
    Reads for one association. `receive` stands where pynetdicom's `AssociationSocket.recv` stands.

    Args:
        connection: of the peer; under TLS an SSLSocket.
        settings: section [receive].
        place: of the association; it notes what comes, and why nothing more is read.
    """

    def __init__(self, connection: socket.socket, settings: Receive, place: Place) -> None:
        self._connection = connection
        self._settings = settings
        self._place = place
        self._limit = settings.max_pdu_bytes + _SLACK_BYTES
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._start = self._end = 0
        self._is_closed = False
        self._failure: OSError | None = None

    def wait(self) -> bool:
        """Wait until a PDU begins, or the connection ends; False where nothing comes for idle_seconds."""
        if self._start < self._end or self._is_closed or self._failure is not None:
            return True
        self._start = self._end = 0
        seconds = self._settings.idle_seconds
        try:
            self._read_some(seconds)
        except TimeoutError:
            self._failed(f"nothing came for {seconds:g} s")
            return False
        except OSError as error:
            self._failure = error
        return True

    @property
    def has_whole(self) -> bool:
        """Whether a PDU has come already to its last byte."""
        there = self._end - self._start
        return there >= _HEAD and there >= _HEAD + self._announced()

    def fragments(self) -> Sequence[Fragment] | None:
        """
        Read a P-DATA-TF; give its fragments as they lie in the buffer, where they stay until more is read.

        None where another PDU comes, or one that is malformed, too long, late or cut off: `receive` then gives it.
        """
        try:
            if not self._gather(_HEAD) or self._buffer[self._start] != _P_DATA:
                return None
            length = self._announced()
            if length > self._limit or not self._gather(_HEAD + length):
                return None
        except OSError:
            return None
        begin = self._start + _HEAD
        fragments = _fragments(self._buffer[begin : begin + length])
        if fragments is not None:
            self._start = begin + length
        return fragments

    def receive(self, count: int) -> bytearray:
        """
        Read *count* bytes, or fewer where the peer has closed the connection.

        Raises:
            OSError: the association is over, the peer announced too much, or it was too slow. pynetdicom then closes.
        """
        if count > self._limit:
            raise OSError(
                self._failed(f"it sent a PDU of more than the {self._limit} bytes that are accepted")
            )
        if not self._gather(count):
            self._failed("its connection was closed without a release")
            count = self._end - self._start
        taken = bytearray(self._buffer[self._start : self._start + count])
        self._start += count
        return taken

    def close(self) -> None:
        """Let the buffer go: pynetdicom's objects refer to each other, and stay until garbage is collected."""
        self._buffer, self._start, self._end, self._is_closed = memoryview(b""), 0, 0, True

    def _gather(self, count: int) -> bool:
        """Read until *count* bytes are in the buffer; False where the connection ends before."""
        if self._place.over:
            raise ConnectionAbortedError("the association is over")
        until = 0.0
        while (missing := count - (self._end - self._start)) > 0:
            if self._failure is not None:
                raise self._failure
            if self._is_closed:
                return False
            self._make_room(count, missing)
            until = until or time.monotonic() + self._settings.pdu_seconds + missing / _SLOWEST_BYTES
            try:
                self._read_some(until - time.monotonic())
            except OSError as error:
                self._failure = error
                raise
        return True

    def _read_some(self, seconds: float) -> None:
        """Read what is there, or wait for it."""
        self._connection.settimeout(max(seconds, 0.001))
        try:
            count = self._connection.recv_into(self._buffer[self._end :])
        except TimeoutError as error:
            raise TimeoutError(self._failed("a PDU did not come whole in time")) from error
        except ssl.SSLError as error:
            self._failed(f"its TLS connection broke ({error.reason})")
            raise
        finally:
            self._connection.settimeout(self._settings.idle_seconds)
        self._end += count
        self._is_closed = not count
        self._place.note_bytes(count)
        if seconds <= 0 and count:
            raise TimeoutError(self._failed("a PDU did not come whole in time"))

    def _make_room(self, count: int, missing: int) -> None:
        """Move what is in the buffer to its begin where little fits behind it; take a larger one for a long PDU."""
        there = self._buffer[self._start : self._end]
        if count > len(self._buffer):
            self._buffer = memoryview(bytearray(count + _BUFFER_BYTES))
        elif len(self._buffer) - self._end >= max(missing, len(self._buffer) // 4):
            return
        self._buffer[: len(there)] = there
        self._start, self._end = 0, len(there)

    def _announced(self) -> int:
        (length,) = struct.unpack_from(">L", self._buffer, self._start + 2)
        return int(length)

    def _failed(self, why: str) -> str:
        self._place.why = why
        return why


def _fragments(data: memoryview) -> Sequence[Fragment] | None:
    """Split what follows the length of a P-DATA-TF (PS3.8 9.3.5); None where it is malformed."""
    found, at = [], 0
    while at + 6 <= len(data):
        length, context_id = struct.unpack_from(">LB", data, at)
        at += 4 + length
        if length < 2 or at > len(data):
            return None
        found.append((context_id, data[at - length + 1 : at]))
    return found if at == len(data) else None
