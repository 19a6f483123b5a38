"""
Accepts connections and reads the first PDU of each one whole, in one thread, before anything else is made for it.

A connection is an association only when its association request is whole. Until then it costs a socket and the bytes
that it sent. It must be whole in time, however it trickles; the connections of one address that are not yet whole are
few, and the oldest gives way: who speaks at once gets in. A TLS handshake comes before the first byte and under the
same limits, step by step as its messages come: nobody waits for another's.
"""

import contextlib
import hashlib
import selectors
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import structlog

from node.logs import places_of
from node.receive.refusals import NOT_RECOGNIZED, UNEXPECTED, abort_pdu
from node.tls.causes import describe
from sgseg_dicom.config import Receive

log = structlog.get_logger(__name__)

LARGEST_REQUEST = 1 << 18
"""Bytes of an A-ASSOCIATE-RQ; 128 presentation contexts with all transfer syntaxes that there are take 160 kB."""

_HEAD = 6
"""Bytes of a PDU's type and length (PS3.8 9.3.1)."""

_A_ASSOCIATE_RQ = 1
_TITLES_END = 42
"""Bytes of an A-ASSOCIATE-RQ up to the end of its AE titles (PS3.8 9.3.2)."""

_TLS_HANDSHAKE = 0x16
"""The first byte of a TLS connection (RFC 8446 5.1), and of no PDU."""

_MOST_AT_ALL = 256
"""Connections of all addresses whose request is not whole."""

_TICK_SECONDS = 0.1
_IDLE_SECONDS = 1.0
"""Between two looks where no connection waits for anything."""

_LEAVING_SECONDS = 1.0
"""For a peer to read why it was refused, and to close."""

_NO_REQUEST = "what it sent first is no association request: no DICOM, or out of order"
_NO_TLS_THERE = "it speaks without TLS, and this port takes TLS alone; turn TLS on there"
_NO_TLS_HERE = "it speaks TLS, and this port does not; turn TLS off there, or set [receive] certificate_file"
_ROOM_SECONDS = 2.0
"""For a peer to wait until there is a place for its association."""


@dataclass(slots=True, eq=False)
class Visitor:
    """
    A connection that is no association yet.

    Attributes:
        connection: its socket, not blocking; under TLS an SSLSocket from the first byte on.
        peer: its address and port, as the socket gives them.
        until: when it is closed, whatever it has sent; monotonic, seconds.
        received: what came of its first PDU.
        shakes: its TLS handshake is not done.
        fingerprint: SHA-256 of its certificate; "" where it showed none.
        waits: its request is whole, and there is no place for it.
        leaves: it was refused.
    """

    connection: socket.socket
    peer: tuple[Any, ...]
    until: float
    received: bytearray = field(default_factory=bytearray)
    shakes: bool = False
    fingerprint: str = ""
    waits: bool = False
    leaves: bool = False

    @property
    def address(self) -> str:
        """The peer's IP address."""
        return str(self.peer[0])

    @property
    def has_spoken(self) -> bool:
        """Whether anything came from it."""
        return bool(self.received) or isinstance(self.connection, ssl.SSLSocket)

    @property
    def missing(self) -> int:
        """Bytes that are still to be read; never more, since what follows is read by others."""
        if len(self.received) < _HEAD:
            return _HEAD - len(self.received)
        return _HEAD + int.from_bytes(self.received[2:_HEAD], "big") - len(self.received)


class Doorway:
    """
    The thread that accepts.

    Args:
        listening: the bound socket.
        settings: section [receive].
        tls_context: gives the context for a new connection; None: no TLS.
        on_request: called with a visitor whose request is whole. True: it took the connection over. False: there is
            no place. It may call `turn_away`.
        on_no_place: called for one that waited in vain for a place.
        on_refused: called with a visitor and why it is closed; "" for one that said nothing.
        on_tick: called at least once a second.
    """

    def __init__(
        self,
        listening: socket.socket,
        settings: Receive,
        *,
        tls_context: Callable[[], ssl.SSLContext] | None,
        on_request: Callable[[Visitor], bool],
        on_no_place: Callable[[Visitor], None],
        on_refused: Callable[[Visitor, str], None],
        on_tick: Callable[[], None],
    ) -> None:
        self._listening = listening
        self._settings = settings
        self._tls_context = tls_context
        self._on_request, self._on_no_place = on_request, on_no_place
        self._on_refused, self._on_tick = on_refused, on_tick
        self._visitors: list[Visitor] = []  # the oldest first
        self._selector = selectors.DefaultSelector()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="doorway", daemon=True)

    def start(self) -> None:
        """Accept in the background."""
        self._listening.setblocking(False)
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._thread.start()

    def stop(self) -> None:
        """Accept nothing more, and close what is no association."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            shut_down(self._listening, socket.SHUT_RDWR)  # the thread wakes
        self._thread.join()
        for visitor in list(self._visitors):
            self._close(visitor)
        self._selector.close()

    def turn_away(self, visitor: Visitor, answer: bytes) -> None:
        """Send the visitor an answer, and close when it has read it."""
        visitor.leaves, visitor.waits = True, False
        visitor.until = time.monotonic() + _LEAVING_SECONDS
        try:
            if not visitor.shakes:
                visitor.connection.send(answer)
                _end_tls(visitor.connection)
            shut_down(visitor.connection, socket.SHUT_WR)
        except OSError:
            self._close(visitor)

    def _run(self) -> None:
        ticked = 0.0
        while not self._stopping.is_set():
            for key, _ in self._selector.select(_TICK_SECONDS if self._visitors else _IDLE_SECONDS):
                if key.fileobj is self._listening:
                    self._accept()
                elif key.data in self._visitors:  # an earlier one of these may have made it give way
                    self._read(key.data)
            if time.monotonic() - ticked >= _TICK_SECONDS:
                ticked = time.monotonic()
                self._look_after(ticked)
                self._on_tick()

    def _hand_over(self, visitor: Visitor) -> bool:
        """Call `on_request`; no more threads, or a socket that is gone, cost this connection alone."""
        try:
            return self._on_request(visitor)
        except (RuntimeError, OSError, ValueError) as error:  # else nobody would be let in any more
            log.error("defect", address=visitor.address, error=type(error).__name__, where=places_of(error))
            self.turn_away(visitor, abort_pdu(0))
            return False

    def _accept(self) -> None:
        try:
            connection, peer = self._listening.accept()
        except (
            OSError
        ):  # the peer has gone again, or there are too many open files: the next look closes some
            self._stopping.wait(
                _TICK_SECONDS
            )  # without a pause the same connection would be tried at once, for ever
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        until = time.monotonic() + self._settings.opening_seconds
        visitor = Visitor(connection, peer, until, shakes=self._tls_context is not None)
        self._visitors.append(visitor)
        self._selector.register(connection, selectors.EVENT_READ, visitor)
        for oldest in self._too_many(visitor.address):
            if not oldest.leaves:
                self._on_refused(oldest, "newer connections of its address came before its request was whole")
            self._close(oldest)

    def _too_many(self, address: str) -> Iterator[Visitor]:
        """Give who makes room: the oldest of the new one's address, or of the one that has most connections."""
        held = Counter(visitor.address for visitor in self._visitors)
        if held[address] > self._settings.max_silent_connections:
            crowd = address
        elif len(self._visitors) > _MOST_AT_ALL:
            crowd = held.most_common(1)[0][0]
        else:
            return
        older = [visitor for visitor in self._visitors[:-1] if visitor.address == crowd]
        yield min(older, key=lambda visitor: visitor.waits, default=self._visitors[-1])  # min takes the first

    def _read(self, visitor: Visitor) -> None:
        """Do what is due when something has come from a visitor."""
        if visitor.waits or visitor.leaves:
            self._notice(visitor)
            return
        if visitor.shakes:
            self._shake_hands(visitor)
        # TLS may have more in its buffer than the selector knows of.
        while not (visitor.shakes or visitor.waits or visitor.leaves) and visitor in self._visitors:
            if not self._read_piece(visitor):
                return

    def _read_piece(self, visitor: Visitor) -> bool:
        """Read some of the request; False where nothing more is there."""
        try:
            piece = visitor.connection.recv(visitor.missing)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError:
            piece = b""
        if piece:
            visitor.received += piece
            self._look_at(visitor)
        else:
            self._note_closed(visitor)
        return bool(piece)

    def _notice(self, visitor: Visitor) -> None:
        """See whether somebody has gone from whom nothing is due."""
        flags = socket.MSG_PEEK if visitor.waits else 0
        try:
            piece = socket.socket.recv(visitor.connection, 1 << 16, flags)  # below TLS
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._note_closed(visitor)
        elif visitor.waits:  # who gets a place reads it
            self._selector.unregister(visitor.connection)

    def _note_closed(self, visitor: Visitor) -> None:
        if not visitor.leaves:
            self._on_refused(visitor, "it closed the connection before its association was opened")
        self._close(visitor)

    def _shake_hands(self, visitor: Visitor) -> None:
        """Take the handshake as far as what has come allows."""
        try:
            secured = visitor.connection
            if not isinstance(secured, ssl.SSLSocket):
                begun = self._begin_tls(visitor)
                if begun is None:
                    return
                secured = begun
            secured.do_handshake()
        except (BlockingIOError, ssl.SSLWantReadError):
            self._await(visitor, selectors.EVENT_READ)
        except ssl.SSLWantWriteError:
            self._await(visitor, selectors.EVENT_WRITE)
        except OSError as error:
            self._await(visitor, selectors.EVENT_READ)
            cause = describe(error, trust="[receive] client_ca_file")
            self._on_refused(visitor, f"the TLS handshake failed: {cause}")
            self.turn_away(visitor, b"")  # OpenSSL has sent its alert
        else:
            visitor.shakes = False
            self._await(visitor, selectors.EVENT_READ)
            certificate = secured.getpeercert(binary_form=True)
            visitor.fingerprint = hashlib.sha256(certificate).hexdigest() if certificate else ""

    def _await(self, visitor: Visitor, events: int) -> None:
        with contextlib.suppress(KeyError, ValueError):  # the connection was gone before its TLS began
            self._selector.modify(visitor.connection, events, visitor)

    def _begin_tls(self, visitor: Visitor) -> ssl.SSLSocket | None:
        """Wrap a connection whose first byte is there; None where that is none of TLS."""
        plain = visitor.connection
        first = plain.recv(_TITLES_END, socket.MSG_PEEK)
        if not first:
            self._note_closed(visitor)
            return None
        if first[0] != _TLS_HANDSHAKE or self._tls_context is None:
            visitor.received += first
            visitor.shakes = False
            self._on_refused(visitor, _NO_TLS_THERE)
            self.turn_away(visitor, abort_pdu(0))
            return None
        self._selector.unregister(plain)
        secured = self._tls_context().wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        visitor.connection = secured
        self._selector.register(secured, selectors.EVENT_READ, visitor)
        return secured

    def _look_at(self, visitor: Visitor) -> None:
        """Decide from what has come: it is wrong, it is not yet whole, or it is a request."""
        kind = visitor.received[0]
        if kind != _A_ASSOCIATE_RQ:
            reason = UNEXPECTED if 1 <= kind <= 7 else NOT_RECOGNIZED
            self._on_refused(visitor, _NO_TLS_HERE if kind == _TLS_HANDSHAKE else _NO_REQUEST)
            self.turn_away(visitor, abort_pdu(reason))
        elif len(visitor.received) + visitor.missing > _HEAD + LARGEST_REQUEST:
            self._on_refused(visitor, f"its association request has more than {LARGEST_REQUEST} bytes")
            self.turn_away(visitor, abort_pdu(0))
        elif not visitor.missing:
            self._ask(visitor)

    def _ask(self, visitor: Visitor) -> None:
        if self._hand_over(visitor):
            self._forget(visitor)
        elif not visitor.leaves and not visitor.waits:
            visitor.waits, visitor.until = True, time.monotonic() + _ROOM_SECONDS

    def _look_after(self, now: float) -> None:
        for visitor in [one for one in self._visitors if one.waits]:
            self._ask(visitor)
        for visitor in [one for one in self._visitors if one.until <= now]:
            if visitor.waits:
                self._on_no_place(visitor)
                continue
            if not visitor.leaves:
                seconds = self._settings.opening_seconds
                self._on_refused(visitor, f"its association request was not whole within {seconds:g} s")
            self._close(visitor)

    def _forget(self, visitor: Visitor) -> None:
        self._visitors.remove(visitor)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(visitor.connection)

    def _close(self, visitor: Visitor) -> None:
        self._forget(visitor)
        with contextlib.suppress(OSError):
            shut_down(visitor.connection, socket.SHUT_RDWR)
        visitor.connection.close()


def shut_down(connection: socket.socket, how: int) -> None:
    """
    Shut down a connection below its TLS.

    That of an SSLSocket drops its TLS: another thread that is sending would go on without.

    Raises:
        OSError: it is closed already.
    """
    socket.socket.shutdown(connection, how)


def _end_tls(connection: socket.socket) -> None:
    """Send the alert close_notify where there is TLS (RFC 8446 6.1), and do not wait for that of the peer."""
    if isinstance(connection, ssl.SSLSocket):
        with contextlib.suppress(OSError, ValueError):
            connection.unwrap()
