"""
Accepts connections and reads the first PDU of each one whole, in one thread, before anything else is made for it.

A connection is an association only when its association request is whole. Until then it costs a socket and the bytes
that it sent. It must be whole in time, however it trickles; the connections of one address that are not yet whole are
few, and the oldest gives way: who speaks at once gets in. A TLS handshake would belong before the first byte.
"""

import contextlib
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import structlog

from node.logs import places_of
from node.receive.refusals import NOT_RECOGNIZED, UNEXPECTED, abort_pdu
from sgseg_dicom.config import Receive

log = structlog.get_logger(__name__)

LARGEST_REQUEST = 1 << 18
"""Bytes of an A-ASSOCIATE-RQ; 128 presentation contexts with all transfer syntaxes that there are take 160 kB."""

_HEAD = 6
"""Bytes of a PDU's type and length (PS3.8 9.3.1)."""

_A_ASSOCIATE_RQ = 1
_MOST_AT_ALL = 256
"""Connections of all addresses whose request is not whole."""

_TICK_SECONDS = 0.1
_LEAVING_SECONDS = 1.0
"""For a peer to read why it was refused, and to close."""

_ROOM_SECONDS = 2.0
"""For a peer to wait until there is a place for its association."""


@dataclass(slots=True, eq=False)
class Visitor:
    """
    A connection that is no association yet.

    Attributes:
        connection: its socket, not blocking.
        peer: its address and port, as the socket gives them.
        until: when it is closed, whatever it has sent; monotonic, seconds.
        received: what came of its first PDU.
        waits: its request is whole, and there is no place for it.
        leaves: it was refused.
    """

    connection: socket.socket
    peer: tuple[Any, ...]
    until: float
    received: bytearray = field(default_factory=bytearray)
    waits: bool = False
    leaves: bool = False

    @property
    def address(self) -> str:
        """The peer's IP address."""
        return str(self.peer[0])

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
        on_request: called with a visitor whose request is whole. True: it took the connection over. False: there is
            no place. It may call `turn_away`.
        on_no_place: called for one that waited in vain for a place.
        on_refused: called with a visitor and why it is closed; "" for one that said nothing.
        on_tick: called several times a second.
    """

    def __init__(
        self,
        listening: socket.socket,
        settings: Receive,
        *,
        on_request: Callable[[Visitor], bool],
        on_no_place: Callable[[Visitor], None],
        on_refused: Callable[[Visitor, str], None],
        on_tick: Callable[[], None],
    ) -> None:
        self._listening = listening
        self._settings = settings
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
        self._thread.join()
        for visitor in list(self._visitors):
            self._close(visitor)
        self._selector.close()

    def turn_away(self, visitor: Visitor, answer: bytes) -> None:
        """Send the visitor an answer, and close when it has read it."""
        visitor.leaves, visitor.waits = True, False
        visitor.until = time.monotonic() + _LEAVING_SECONDS
        try:
            visitor.connection.send(answer)
            visitor.connection.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(visitor)

    def _run(self) -> None:
        ticked = 0.0
        while not self._stopping.is_set():
            for key, _ in self._selector.select(_TICK_SECONDS):
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
        visitor = Visitor(connection, peer, time.monotonic() + self._settings.opening_seconds)
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
        wanted = visitor.missing if not (visitor.waits or visitor.leaves) else 1 << 16
        flags = socket.MSG_PEEK if visitor.waits else 0
        try:
            piece = visitor.connection.recv(wanted, flags)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            if not visitor.leaves:
                self._on_refused(visitor, "it closed the connection before its association was opened")
            self._close(visitor)
        elif visitor.waits:  # nothing is due from it; who gets a place reads it
            self._selector.unregister(visitor.connection)
        elif not visitor.leaves:
            visitor.received += piece
            self._look_at(visitor)

    def _look_at(self, visitor: Visitor) -> None:
        """Decide from what has come: it is wrong, it is not yet whole, or it is a request."""
        kind = visitor.received[0]
        if kind != _A_ASSOCIATE_RQ:
            reason = UNEXPECTED if 1 <= kind <= 7 else NOT_RECOGNIZED
            self._on_refused(
                visitor, "what it sent first is no association request: no DICOM, or out of order"
            )
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
            visitor.connection.shutdown(socket.SHUT_RDWR)
        visitor.connection.close()
