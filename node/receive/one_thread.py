"""
An association of pynetdicom that runs in one thread, which waits for its peer and for nothing else.

pynetdicom 3.0 gives an association two threads, one for the network and one for its requests. Each of them looks a
thousand times a second whether there is something for it. Here the association's thread does the work of both, in
turn: it reads a PDU, lets the state machine act (PS3.8 9.2), and serves a request that is whole.
tests/node/receive/test_pynetdicom.py knows the source of what is replaced, and tells when it changes.
"""

import socket
from collections.abc import Callable
from typing import Any, cast

from pynetdicom import evt
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.association import Association
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.transport import AssociationSocket

from node.receive.pdu_reader import Fragment, PduReader
from sgseg_dicom.senders import Sender

_DATA_TRANSFER, _CLOSING = "Sta6", "Sta13"
"""States of the upper layer (PS3.8 9.2.1): messages come; all is said, and the connection is to be closed."""


class OneThread(Association):
    """
    The acceptor's side of an association. `start` begins it when `take_over` has given it all that it needs.

    Args:
        ae: of pynetdicom.
        connection: of the peer.

    Attributes:
        sender: the entry by which the peer came in.
    """

    sender: Sender | None = None

    def __init__(self, ae: Any, connection: socket.socket) -> None:
        super().__init__(ae, MODE_ACCEPTOR)
        self._started_dul = True  # the other thread: it never starts
        self.set_socket(AssociationSocket(self, client_socket=connection))

    def take_over(
        self,
        request: A_ASSOCIATE_RQ,
        reader: PduReader,
        *,
        take: Callable[[Fragment], None],
        is_over: Callable[[], bool],
        at_the_end: Callable[[], None],
    ) -> None:
        """
        Set what the association needs.

        Args:
            request: of the peer, which has been read.
            reader: of its connection.
            take: called with each fragment of a message.
            is_over: whether the association is to be aborted when its read ends.
            at_the_end: called last of all, however it ends.
        """
        self._reader, self._take = reader, take
        self._is_over, self._at_the_end = is_over, at_the_end
        self.dul.socket.recv = reader.receive  # type: ignore
        self.dul._recv_pdu.put(request)
        self.dul.event_queue.put("Evt6")  # A-ASSOCIATE-RQ received

    def _bind_defaults(self) -> None:
        """Bind nothing: the server knows all handlers."""

    def run_reactor(self) -> None:
        """Answer the association request, and serve until the association ends."""
        transport = cast(AssociationSocket, self.dul.socket)
        try:
            self._settle()
            self.requestor.primitive = cast(A_ASSOCIATE, self.dul.receive_pdu(wait=False))
            evt.trigger(self, evt.EVT_REQUESTED, {})
            self.acse.negotiate_association()
            self._settle()
            self._serve()
            self._close(transport)
        finally:
            self._at_the_end()
            if self._server and transport.socket:
                self._server.shutdown_request(transport.socket)

    def kill(self) -> None:
        """Serve nothing more, and send what is still to be sent. It is called in the association's own thread."""
        self._kill = True
        self.is_established = False
        self._settle()

    def _serve(self) -> None:
        while True:
            context_id, message = self.dimse.get_msg(block=False)
            if message and context_id:  # first: what came whole before an abort is kept
                self._serve_request(message, context_id)
            elif self._kill or self._has_ended() or self.dul._kill_thread:
                return
            elif not self._read():
                self.abort(block=False)
                self.kill()
            self._settle()

    def _has_ended(self) -> bool:
        """Whether the peer asked for the end, or an abort came; do what pynetdicom does then."""
        if self.is_established and self.acse.is_release_requested():
            self.acse.send_release(is_response=True)
            self.is_released, self.is_established = True, False
            evt.trigger(self, evt.EVT_RELEASED, {})
            return True
        if self.acse.is_aborted():
            self.dul.receive_pdu(wait=False)
            self.is_aborted, self.is_established = True, False
            evt.trigger(self, evt.EVT_ABORTED, {})
            return True
        return False

    def _read(self) -> bool:
        """Wait for a PDU; take it, and those that came whole behind it. False where the association is over."""
        if not self._reader.wait():
            return False
        while True:
            is_data_due = self.dul.state_machine.current_state == _DATA_TRANSFER
            fragments = self._reader.fragments() if is_data_due else None
            if self._is_over():
                return False
            if fragments is None:
                self.dul._read_pdu_data()
            for fragment in fragments or ():
                self._take(fragment)
            self._settle()
            if self.dul._kill_thread or not self._reader.has_whole:
                return True

    def _settle(self) -> None:
        """Let the state machine act on what has happened, and then send what is to be sent."""
        dul = self.dul
        while (dul.event_queue.queue or dul.to_provider_queue.queue) and not dul._kill_thread:
            if not dul.event_queue.queue and (self._is_closing or not dul._process_recv_primitive()):
                return
            dul.state_machine.do_action(dul.event_queue.get(block=False))

    def _close(self, transport: AssociationSocket) -> None:
        """Close the connection as soon as the peer sends nothing more, or ARTIM has expired (PS3.8 9.1.5)."""
        self._settle()
        while not self.dul._kill_thread and transport.socket is not None:
            if not self._is_closing:
                transport.close()
            elif self.dul.artim_timer.expired:
                self.dul.event_queue.put("Evt18")
            else:
                self.dul._is_transport_event()
            self._settle()

    @property
    def _is_closing(self) -> bool:
        return self.dul.state_machine.current_state == _CLOSING
