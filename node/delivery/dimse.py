"""Sends stored files to one destination by C-STORE, and reads what became of each object."""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.filereader import read_file_meta_info
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.pdu import A_ABORT_RQ
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    Verification,
)

from node.association_requests import read_tidied
from node.tls.client import ClientTls
from sgseg_dicom.config import Destination
from sgseg_dicom.errors import DeliveryRefused, PeerUnavailable, SgsegError
from sgseg_dicom.result_kinds import NOT_JUDGED

_OUT_OF_RESOURCES = range(0xA700, 0xA800)
_WARNINGS = (0x0001, 0x0107, 0x0116, *range(0xB000, 0xC000))  # PS3.7 C.4, PS3.4 B.2.3: stored all the same
_DUPLICATE = 0x0111  # our UIDs are derived from the image's, so the peer already has this object
_SLOWEST_BYTES_PER_SECOND = 125_000
"""A network of 1 Mbit/s: the time limit of pynetdicom for a response begins before the object is sent."""
_TLS_ALERT = b"\x15\x03"
"""How a TLS service answers to what is no TLS (RFC 8446 5.1)."""
_REQUEST = 1  # Action Type ID (PS3.4 J.3.2.1)
_TRY_ACTION_AGAIN = (0x0110, 0x0213)  # processing failure, resource limitation (PS3.7 C)
_PERMANENT = 1  # A-ASSOCIATE-RJ result (PS3.8 table 9-21)
# A-ABORT source and reason (PS3.8 table 9-26).
_PROVIDER = 2
_ABORTED_BY = {0: "its application", _PROVIDER: "its DICOM protocol layer"}
_ABORT_REASONS = {
    0: "no reason given",
    1: "unrecognized PDU",
    2: "unexpected PDU",
    4: "unrecognized PDU parameter",
    5: "unexpected PDU parameter",
    6: "invalid PDU parameter",
}


@dataclass
class _Heard:
    """
    What a destination did before there was an association.

    Attributes:
        connected: it took the connection.
        unreadable: why its response could not be read; "" where it could, or there was none.
        aborted: by whom, and why, it says that it aborted; "" where it did not.
        tls: why its TLS failed; "" where it did not.
        begins: the first bytes that came from it.
    """

    connected: bool = False
    unreadable: str = ""
    aborted: str = ""
    tls: str = ""
    begins: bytes = b""

    def note_tls(self, why: str) -> None:
        """Keep why its TLS failed."""
        self.tls = why

    def note_begin(self, association: Association) -> None:
        """Keep the first bytes that come."""
        connection: Any = association.dul.socket
        receive = connection.recv

        def noting(count: int) -> bytearray:
            data: bytearray = receive(count)
            self.begins = self.begins or bytes(data[:2])
            return data

        connection.recv = noting

    def note_unreadable(self, _answer: bytes, why: str) -> None:
        """Keep why an answer could not be read."""
        self.unreadable = why

    def note_pdu(self, event: evt.Event) -> None:
        """Keep what an A-ABORT says."""
        if isinstance(event.pdu, A_ABORT_RQ):
            self.aborted = _ABORTED_BY.get(event.pdu.source or 0, "unknown source")
            if event.pdu.source == _PROVIDER:
                self.aborted += f", {_ABORT_REASONS.get(event.pdu.reason_diagnostic or 0, 'unknown reason')}"


class DimseSender:
    """
    Sends files to one destination, with one association for each call; safe to call from many threads.

    Args:
        destination: its settings.
        calling_ae_title: our own AE title.
        connect_seconds: the longest wait for a connection.
        answer_seconds: the longest wait for a response.

    Raises:
        ConfigError: a file for TLS cannot be used.
    """

    def __init__(
        self,
        destination: Destination,
        *,
        calling_ae_title: str,
        connect_seconds: float,
        answer_seconds: float,
    ) -> None:
        self.destination = destination
        self._calling_ae_title = calling_ae_title
        self._connect_seconds = connect_seconds
        self._answer_seconds = answer_seconds
        self._tls = ClientTls(destination) if destination.tls else None

    def echo(self) -> None:
        """
        Ask with C-ECHO whether the destination is there and knows us, and offer the SOP classes that it will get.

        Raises:
            PeerUnavailable: it cannot be reached, does not respond, or does not know us.
            DeliveryRefused: it does not accept C-ECHO, or some of the SOP classes.
        """
        reports = NOT_JUDGED.sop_classes if self.destination.not_judged else ()
        classes = sorted({*self.destination.wanted.sop_classes, *reports})
        storage = [build_context(one, [ExplicitVRLittleEndian, ImplicitVRLittleEndian]) for one in classes]
        with self._association([build_context(Verification), *storage]) as association:
            accepted = {context.abstract_syntax for context in association.accepted_contexts}
            if Verification not in accepted:
                raise DeliveryRefused(f"{self._name} accepts no C-ECHO")
            status = association.send_c_echo()
            if "Status" not in status:
                raise PeerUnavailable(f"{self._name} did not answer a C-ECHO in {self._answer_seconds:g} s")
            if status.Status != 0:
                raise DeliveryRefused(f"{self._name} answered a C-ECHO with status 0x{status.Status:04X}")
            if refused := ", ".join(one.name for one in classes if one not in accepted):
                raise DeliveryRefused(
                    f"{self._name} answers, but does not accept {refused}; let it, or take them out of `results`"
                )

    def send(self, files: Sequence[Path]) -> None:
        """
        Store DICOM *files* at the destination in this order, byte for byte.

        A destination that accepts only Implicit VR Little Endian, which every one must know (PS3.5 10.1), gets them
        in that encoding. The other objects are sent also where one object is refused.

        Raises:
            PeerUnavailable: not reached, aborted, no response in time, out of resources, or it does not know us.
                Another attempt may succeed, some only after a correction.
            DeliveryRefused: an object was refused for good; the message has each status.
        """
        # pynetdicom then sends the file without decoding it.
        _config.STORE_SEND_CHUNKED_DATASET = True
        contexts = [_context_of(file) for file in files]
        offered = [*contexts, *(default for context in contexts if (default := _by_default(context)))]
        largest = max((file.stat().st_size for file in files), default=0)
        with self._association(_distinct(offered), largest=largest) as association:
            refusals = [
                refusal
                for number, (file, context) in enumerate(zip(files, contexts, strict=True), start=1)
                if (refusal := self._store(association, file, context, number))
            ]
        if refusals:
            raise DeliveryRefused(
                f"{self._name} refused {'; '.join(refusals)}; see its log, then `sgseg-node requeue`"
            )

    def request_commitment(
        self,
        request: Dataset,
        *,
        on_report: Callable[[Dataset], None],
        is_over: Callable[[], bool],
        seconds: float,
    ) -> None:
        """
        Ask with N-ACTION that the destination commits itself (PS3.4 J.3.2), and listen a moment for its report.

        Args:
            request: the Action Information.
            on_report: called with the Event Information of each report on this association.
            is_over: whether the report has arrived, here or elsewhere.
            seconds: the longest time to listen.

        Raises:
            PeerUnavailable: another attempt may succeed.
            DeliveryRefused: the destination does not do this.
        """

        def take(event: evt.Event) -> tuple[int, None]:
            on_report(event.event_information)
            return 0, None

        context = build_context(StorageCommitmentPushModel)
        with self._association([context], handlers=[(evt.EVT_N_EVENT_REPORT, take)]) as association:
            status, _ = association.send_n_action(
                request, _REQUEST, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
            )
            if "Status" not in status:
                raise PeerUnavailable(f"{self._name} did not answer a request for Storage Commitment in time")
            if status.Status in _TRY_ACTION_AGAIN:
                raise PeerUnavailable(f"{self._name} cannot commit itself now (status 0x{status.Status:04X})")
            if status.Status != 0:
                raise DeliveryRefused(
                    f"{self._name} answered a request for Storage Commitment with status 0x{status.Status:04X}; "
                    "mend it there, or take out storage_commitment"
                )
            deadline = time.monotonic() + seconds
            while association.is_established and not is_over() and time.monotonic() < deadline:
                time.sleep(0.02)

    def _store(
        self, association: Association, file: Path, context: PresentationContext, number: int
    ) -> str | None:
        """Send one file; give the reason of a refusal, None where the object is stored."""
        content: Path | Dataset = file
        if not _accepts(association, context):
            default = _by_default(context)
            if default is None or not _accepts(association, default):
                syntax = context.transfer_syntax[0].name
                return f"{file.name}: it does not accept {context.abstract_syntax.name} in {syntax}"  # type: ignore[union-attr]
            content = dcmread(file)  # pynetdicom encodes it as the accepted context says
        response = association.send_c_store(content, msg_id=number) if association.is_established else None
        if response is None or "Status" not in response:
            raise PeerUnavailable(
                f"{self._name} closed the connection, or did not answer to {file.name} in time"
            )
        status = int(response.Status)
        if status in _OUT_OF_RESOURCES:
            raise PeerUnavailable(f"{self._name} is out of resources (status 0x{status:04X})")
        if status in (0, _DUPLICATE, *_WARNINGS):
            return None
        return f"{file.name}: status 0x{status:04X}"

    @property
    def _name(self) -> str:
        return f"{self.destination.name} ({self.destination.address})"

    @contextmanager
    def _association(
        self,
        contexts: list[PresentationContext],
        *,
        largest: int = 0,
        handlers: Sequence[tuple[evt.EventType, Callable[..., Any]]] = (),
    ) -> Iterator[Association]:
        """Open an association with time limits, and release or abort it. *largest*: bytes of the largest object."""
        ae = AE(self._calling_ae_title)
        ae.connection_timeout = self._connect_seconds
        ae.acse_timeout = self._answer_seconds
        ae.dimse_timeout = ae.network_timeout = self._answer_seconds + largest / _SLOWEST_BYTES_PER_SECOND
        peer, heard = self.destination, _Heard()
        try:
            association = ae.associate(
                peer.host,
                peer.port,
                contexts,
                ae_title=peer.ae_title,
                tls_args=self._tls.arguments(heard.note_tls) if self._tls else None,
                evt_handlers=[
                    (evt.EVT_CONN_OPEN, self._tune, [heard]),
                    (evt.EVT_PDU_RECV, heard.note_pdu),
                    (evt.EVT_DATA_SENT, _acknowledge_quickly),
                    *handlers,
                ],
            )
        except OSError as error:  # pynetdicom could not resolve the name of the host
            raise PeerUnavailable(
                f"{self._name} is not found ({error.strerror or type(error).__name__}); check host and DNS"
            ) from error
        if not association.is_established:
            raise self._no_association(association, heard)
        try:
            yield association
            if association.is_established:
                association.release()
        finally:
            if association.is_established:
                association.abort()

    def _no_association(self, association: Association, heard: _Heard) -> SgsegError:
        """Give the error that describes why there is no association."""
        response = association.acceptor.primitive
        if response is None:
            return PeerUnavailable(f"{self._name} {self._no_response(heard)}")
        if response.result == _PERMANENT:
            return PeerUnavailable(
                f"{self._name} rejects the association ({response.reason_str}); check AE titles on both sides"
            )
        if association.is_rejected:
            return PeerUnavailable(f"{self._name} rejects the association for now ({response.reason_str})")
        names = (cx.abstract_syntax.name for cx in association.rejected_contexts)  # type: ignore[union-attr]
        offered = ", ".join(dict.fromkeys(names))  # each is offered twice
        return DeliveryRefused(f"{self._name} accepts none of the offered SOP classes ({offered})")

    def _no_response(self, heard: _Heard) -> str:
        """Say what came instead of a response to the association request, and what to look at."""
        if heard.tls:
            return f"does not come to terms with us over TLS: {heard.tls}"
        if heard.begins == _TLS_ALERT:
            return "speaks TLS at this port; set tls = true"
        if not heard.connected:
            return "does not respond; check that it runs, its address and its port"
        if heard.unreadable:
            return f"responds to the association request with what is not DICOM ({heard.unreadable}); ask its maker"
        if heard.aborted:
            return f"aborts the association ({heard.aborted}); see its log, and check AE titles on both sides"
        service = "with TLS" if self._tls else "without TLS"
        return (
            "took the connection, but closed it or was silent instead of responding to the association request; see "
            f"its log, and check that a DICOM service {service} listens at this port"
            + ("" if self._tls else "; if it has TLS, set tls = true")
        )

    def _tune(self, event: evt.Event, heard: _Heard) -> None:
        """Set a time limit for every send and receive, send small messages at once, and read responses tidied."""
        heard.connected = True
        heard.note_begin(event.assoc)
        read_tidied(event.assoc, on_unreadable=heard.note_unreadable)
        connection = _connection(event)
        connection.settimeout(self._answer_seconds)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _acknowledge_quickly(event: evt.Event) -> None:
    """Save 40 ms an object (Linux) at peers that wait for our TCP acknowledgement between two parts of a response."""
    if hasattr(socket, "TCP_QUICKACK"):
        _connection(event).setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _connection(event: evt.Event) -> socket.socket:
    return event.assoc.dul.socket.socket  # type: ignore[union-attr,return-value]


def _context_of(file: Path) -> PresentationContext:
    meta = read_file_meta_info(file)
    return build_context(meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID)


def _by_default(context: PresentationContext) -> PresentationContext | None:
    """Give the same context in the default transfer syntax; None where the given one cannot be encoded so."""
    if context.transfer_syntax != [ExplicitVRLittleEndian]:
        return None
    return build_context(context.abstract_syntax, ImplicitVRLittleEndian)  # type: ignore[arg-type]


def _distinct(contexts: list[PresentationContext]) -> list[PresentationContext]:
    return [context for number, context in enumerate(contexts) if context not in contexts[:number]]


def _accepts(association: Association, context: PresentationContext) -> bool:
    return any(
        accepted.abstract_syntax == context.abstract_syntax
        and accepted.transfer_syntax == context.transfer_syntax
        for accepted in association.accepted_contexts
    )
