"""Who may come in: the answer to an association request, from the settings alone."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field

from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from node.association_requests import UNDECODABLE, tidied
from node.receive.refusals import CALLED_TITLE, CALLING_TITLE, NETWORK, VERSION, Rejection
from sgseg_dicom.config import Receive, Sender

ITSELF = Sender(name="itself")
"""The node's own C-ECHO, by which /ready asks the receiver (`node.receive.self_echo`). No entry need name it."""


class UnreadableRequest(Exception):
    """An association request whose PDU cannot be decoded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """
    What an A-ASSOCIATE-RQ says (PS3.8 9.3.2).

    Attributes:
        calling: AE title of the sender.
        called: AE title that it calls.
        version: protocol version.
        only_echo: whether it proposes nothing but Verification (PS3.4 A).
        pdu: the whole of it, decoded.
    """

    calling: str
    called: str
    version: int
    only_echo: bool
    pdu: A_ASSOCIATE_RQ = field(default_factory=A_ASSOCIATE_RQ, repr=False, compare=False)


def read_request(pdu: bytes) -> Request:
    """
    Read a whole PDU as pynetdicom will read it.

    Raises:
        UnreadableRequest: pynetdicom would abort the association.
    """
    decoded = A_ASSOCIATE_RQ()
    try:
        decoded.decode(tidied(pdu))
        asked = decoded.to_primitive()
        proposed = {str(one.abstract_syntax) for one in asked.presentation_context_definition_list}
        calling, called = str(asked.calling_ae_title), str(asked.called_ae_title)
    except UNDECODABLE as error:
        raise UnreadableRequest(str(error) or type(error).__name__) from error
    return Request(
        calling=calling.strip(),
        called=called.strip(),
        version=decoded.protocol_version,
        only_echo=proposed == {str(Verification)},
        pdu=decoded,
    )


class Admission:
    """
    The rules of [receive] and [[sender]].

    Args:
        settings: section [receive]; its `calling_ae_titles` are one more sender, of any network.
        senders: the entries [[sender]]; the first that fits counts. None at all: everybody may come in.
        here: the address on which the receiver listens; "": the host of the settings, which is an address then.
    """

    def __init__(self, settings: Receive, senders: Sequence[Sender] = (), *, here: str = "") -> None:
        self._settings, self._here = settings, here or settings.host
        titles = settings.calling_ae_titles
        named = (Sender(name="calling_ae_titles", calling_ae_titles=titles),) if titles else ()
        self._senders = (*senders, *named) or (Sender(name="any"),)

    def sender(self, request: Request, address: str) -> Sender | Rejection:
        """Give the entry by which a peer may come in, or why it may not."""
        if request.version != 1:
            return VERSION
        if self._settings.check_called_ae_title and request.called != self._settings.ae_title:
            return CALLED_TITLE
        if request.only_echo and request.calling == self._settings.ae_title and self._is_here(address):
            return ITSELF
        near = [sender for sender in self._senders if _is_in(address, sender.networks)]
        if not near:
            return NETWORK
        fitting = (
            one for one in near if request.calling in one.calling_ae_titles or not one.calling_ae_titles
        )
        return next(fitting, CALLING_TITLE)

    def _is_here(self, address: str) -> bool:
        """Whether a peer is this machine: a connection to one of its own addresses comes from that address."""
        return address == self._here or ipaddress.ip_address(address.split("%")[0]).is_loopback


def _is_in(address: str, networks: Sequence[str]) -> bool:
    """Whether an address is in one of the networks; none means every one. IPv4 may come mapped to IPv6."""
    given = ipaddress.ip_address(address.split("%")[0])
    mapped = getattr(given, "ipv4_mapped", None) or given
    return not networks or any(mapped in ipaddress.ip_network(network) for network in networks)
