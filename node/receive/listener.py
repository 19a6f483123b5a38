"""
The receiver: connections come through the doorway, and become associations of pynetdicom when they are let in.

pynetdicom 3.0 counts every connection as an association, from the first byte on, and waits a minute for the request
of a peer that has gone. So it gets only requests that are whole and accepted: see `node.receive.doorway`.
"""

import contextlib
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import structlog
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from node.association_requests import calling_title, read_tidied
from node.audit.recorder import Note, note_nothing
from node.receive.admission import Admission, Request, UnreadableRequest, read_request
from node.receive.command_sets import Messages
from node.receive.counted_events import REJECTED, CountedEvents
from node.receive.data_sets import ObjectLimits
from node.receive.doorway import Doorway, Visitor, shut_down
from node.receive.offers import why_nothing_was_accepted
from node.receive.one_thread import OneThread
from node.receive.pdu_reader import PduReader
from node.receive.places import Place, Places
from node.receive.refusals import FULL, INVALID, Rejection, abort_pdu
from node.receive.scp import Handler
from node.tls.certificates import Certificates
from node.tls.profile import Files, server_context
from sgseg_dicom.accepted_objects import SOP_CLASSES
from sgseg_dicom.config import Receive, Sender

log = structlog.get_logger(__name__)

_MORE_THAN_THERE_ARE = 1_000_000
"""Associations that pynetdicom lets in: `Places` counts them."""

_ABORT_SECONDS = 5.0
"""For associations to end when the receiver stops."""

_UNREADABLE = "its association request cannot be read; correct the sender's settings or software"


class Listener(ThreadedAssociationServer):
    """An association server whose associations begin with a request that was let in."""

    request_queue_size = 128

    def __init__(
        self,
        *args: Any,
        settings: Receive,
        senders: Sequence[Sender],
        limits: ObjectLimits,
        certificates: Certificates | None,
        note: Note,
        **keywords: Any,
    ) -> None:
        self.settings, self.limits = settings, limits
        self.events = CountedEvents(note=note)
        self._places = Places(settings)
        self._counts: Counter[str] = Counter()
        self.counts: Mapping[str, int] = {}
        """For the status: associations open now, let in by each entry, and turned away for each reason."""
        super().__init__(*args, **keywords)
        # [receive] host may be a name; what it means is known now, and peers have addresses.
        self._admission = Admission(settings, senders, here=str(self.server_address[0]))
        self._doorway = Doorway(
            cast(socket.socket, self.socket),  # bound above
            settings,
            tls_context=certificates.context if certificates else None,
            on_request=self._let_in,
            on_no_place=lambda visitor: self._reject(visitor, read_request(bytes(visitor.received)), FULL),
            on_refused=self._note_refused,
            on_tick=self._look_after,
        )

    @property
    def port(self) -> int:
        """The port on which connections are accepted."""
        return self.server_address[1]

    def start(self) -> None:
        """Accept connections in a thread."""
        self._doorway.start()

    def stop(self, *, patience_seconds: float) -> None:
        """Accept nothing more, wait for open associations, and abort those that do not end."""
        self._doorway.stop()
        self.server_close()
        _wait_for(self.active_associations, patience_seconds)
        for place in self._places.taken:
            place.over = True
            place.end("the receiver stops")
        _wait_for(self.active_associations, _ABORT_SECONDS)
        self.events.flush(everything=True)

    def _let_in(self, visitor: Visitor) -> bool:
        """Answer a whole request. True: its association runs. False: there is no place, or it was turned away."""
        try:
            request = read_request(bytes(visitor.received))
        except UnreadableRequest as error:
            self._note_refused(visitor, _UNREADABLE, cause=str(error))
            self._doorway.turn_away(visitor, abort_pdu(INVALID))
            return False
        sender = self._admission.sender(request, visitor.address)
        if isinstance(sender, Rejection):
            self._reject(visitor, request, sender)
            return False
        place = Place(
            address=visitor.address, calling=request.calling, sender=sender, only_echo=request.only_echo
        )
        if not self._places.take(place):
            return False
        has_begun = False
        try:
            _Connection(visitor, request, place, self)
            has_begun = True
        finally:
            place.over = place.over or not has_begun  # else the place would stay taken for ever
        self._counts[f"let in: {sender.name}"] += 1
        self.service_actions()
        return True

    def _reject(self, visitor: Visitor, request: Request, why: Rejection) -> None:
        self._counts[f"rejected: {why.coded}"] += 1
        self.events.tell(
            REJECTED,
            address=visitor.address,
            detail=f"{why.coded}: {why.cure}",
            peer=request.calling,
            called=request.called,
            **_certificate(visitor),
        )
        self._doorway.turn_away(visitor, why.pdu)

    def _note_refused(self, visitor: Visitor, why: str, **facts: str) -> None:
        if not visitor.has_spoken:
            self._counts["closed without a request"] += 1
            log.debug("silent_connection", address=visitor.address)
            return
        self._counts["not understood"] += 1
        peer = calling_title(bytes(visitor.received))
        facts = {**facts, **_certificate(visitor)}
        self.events.tell("association_aborted", address=visitor.address, detail=why, peer=peer, **facts)

    def _look_after(self) -> None:
        self.events.flush()
        self.counts = {"open now": len(self._places.taken), **self._counts}


class _Connection(RequestHandler):
    """Opens an association that has its request already."""

    server: Listener

    def __init__(self, visitor: Visitor, request: Request, place: Place, server: Listener) -> None:
        self._asked, self._place = request, place
        visitor.connection.settimeout(server.settings.idle_seconds)
        super().__init__(visitor.connection, visitor.peer, server)

    def _create_association(self) -> Association:
        """Stand for pynetdicom's, which copies all presentation contexts for each association."""
        association = OneThread(self.ae, self.request)
        association._server = self.server
        association.name = (
            f"AcceptorThread {self.client_address}"  # `active_associations` looks for such names
        )
        acceptor = association.acceptor
        acceptor.maximum_length = self.ae.maximum_pdu_size
        acceptor.ae_title = self.server.ae_title
        acceptor.address_info = self.local
        acceptor.implementation_class_uid = self.ae.implementation_class_uid
        acceptor.implementation_version_name = self.ae.implementation_version_name
        acceptor.supported_contexts = self.server.contexts
        association.requestor.address_info = self.remote
        association._handlers = {
            event: [*bound] if isinstance(bound, list) else bound
            for event, bound in self.server._handlers.items()
        }
        self._prepare(association)
        return association

    def _prepare(self, association: OneThread) -> None:
        """Let the association read large pieces, and its commands and data sets be taken here."""
        place = self._place
        association.sender = place.sender
        read_tidied(association)
        self._messages = Messages(
            association,
            place,
            known=SOP_CLASSES,
            limits=self.server.limits,
            on_refused=self._note_refused,
        )
        association.bind(evt.EVT_ABORTED, self._note_aborted)
        place.end = self._end
        place.lives = lambda: association.is_alive() or not association.ident
        self._reader = PduReader(self.request, self.server.settings, place)
        association.take_over(
            self._asked.pdu,
            self._reader,
            take=self._messages.take,
            is_over=lambda: place.over,
            at_the_end=self._let_go,
        )

    def _let_go(self) -> None:
        self._messages.drop()
        self._reader.close()

    def _end(self, why: str) -> None:
        """Let an association end that its place has marked as over: its thread aborts it when its read ends."""
        self._tell(why)
        with contextlib.suppress(OSError):
            shut_down(self.request, socket.SHUT_RD)

    def _note_aborted(self, event: evt.Event) -> None:
        is_logged = self._place.over
        self._messages.drop()
        if not is_logged:
            broken = self._place.why or "the sender aborted it"
            self._tell(why_nothing_was_accepted(event.assoc) or broken)

    def _tell(self, why: str) -> None:
        place = self._place
        self.server.events.tell("association_aborted", address=place.address, detail=why, peer=place.calling)

    def _note_refused(self, why: str) -> None:
        place = self._place
        self.server.events.tell("not_understood", address=place.address, detail=why, peer=place.calling)


def _wait_for(associations: Sequence[Association], seconds: float) -> None:
    """Wait until associations have ended, but not longer."""
    deadline = time.monotonic() + seconds
    for association in associations:
        association.join(max(0.0, deadline - time.monotonic()))


def _certificate(visitor: Visitor) -> dict[str, str]:
    """Give the fingerprint of the visitor's certificate for the log; its subject may name a person."""
    return {"certificate": f"sha256:{visitor.fingerprint}"} if visitor.fingerprint else {}


def _certificates(settings: Receive) -> Certificates | None:
    if settings.certificate_file is None:
        return None
    files = Files(
        certificate=settings.certificate_file, key=settings.key_file, authorities=settings.client_ca_file
    )
    return Certificates(files, server_context)


def listen(
    settings: Receive,
    *,
    contexts: list[PresentationContext],
    handlers: Sequence[Handler],
    spool: Path,
    senders: Sequence[Sender] = (),
    require_space: Callable[[], None] = lambda: None,
    note: Note = note_nothing,
) -> Listener:
    """
    Bind the socket, and accept connections in the background.

    Args:
        settings: section [receive] of the configuration.
        contexts: the supported presentation contexts.
        handlers: event handlers of pynetdicom.
        spool: folder for data sets that are being received, on the file system where they will stay. A handler
            finds the path of the file in `event.dataset_path`.
        senders: who may come in; empty: everybody that [receive] lets in.
        require_space: raises StorageUnavailable where an object must not be begun, or go on.
        note: takes rejections for the audit trail.

    Raises:
        OSError: the address or the port is not free.
        ConfigError: the files for TLS cannot be used.
    """
    certificates = _certificates(settings)
    _config.LOG_HANDLER_LEVEL = "none"
    ae = AE(settings.ae_title)
    ae.maximum_associations = _MORE_THAN_THERE_ARE
    ae.maximum_pdu_size = settings.max_pdu_bytes
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = settings.idle_seconds
    listener: Listener = ae.make_server(  # type: ignore[assignment]
        (settings.host, settings.port),
        contexts=contexts,
        evt_handlers=list(handlers),  # type: ignore[arg-type]
        server_class=Listener,
        settings=settings,
        senders=senders,
        certificates=certificates,
        limits=ObjectLimits(
            most_bytes=settings.max_object_megabytes << 20, folder=spool, require_space=require_space
        ),
        note=note,
    )
    listener.start()
    return listener
