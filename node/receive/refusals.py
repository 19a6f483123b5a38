"""How an association is refused: the PDUs of PS3.8, and the words for log and status."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejection:
    """
    Why an association is rejected, as PS3.8 table 9-21 codes it.

    Attributes:
        result: 1 permanent, 2 transient.
        source: 1 service user, 2 service provider (ACSE), 3 service provider (presentation).
        reason: its meaning depends on the source.
        words: of the standard.
        cure: what the administrator can do.
    """

    result: int
    source: int
    reason: int
    words: str
    cure: str

    @property
    def coded(self) -> str:
        """The standard's words and numbers, for log and status."""
        kind = "permanent" if self.result == 1 else "transient"
        return f"{self.words} ({kind}, {self.result}/{self.source}/{self.reason})"

    @property
    def pdu(self) -> bytes:
        """The A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
        return bytes((3, 0, 0, 0, 0, 4, 0, self.result, self.source, self.reason))


CALLED_TITLE = Rejection(
    result=1,
    source=1,
    reason=7,
    words="called AE title not recognized",
    cure="call [receive] ae_title, or set [receive] check_called_ae_title = false",
)
CALLING_TITLE = Rejection(
    result=1,
    source=1,
    reason=3,
    words="calling AE title not recognized",
    cure="its AE title stands neither in [receive] calling_ae_titles nor in a [[sender]] of its network",
)
NETWORK = Rejection(
    result=1,
    source=1,
    reason=1,
    words="no reason given",
    cure="its address is in no network of a [[sender]]",
)
VERSION = Rejection(
    result=1,
    source=2,
    reason=2,
    words="protocol version not supported",
    cure="its association request asks for another protocol version than 1; correct the sender",
)
FULL = Rejection(
    result=2,
    source=3,
    reason=2,
    words="local limit exceeded",
    cure="[receive] max_associations, max_associations_per_address, or max_associations of its [[sender]] are busy",
)

NOT_RECOGNIZED, UNEXPECTED, INVALID = 1, 2, 6
"""Reasons of an A-ABORT: a PDU of no known type, one that is not due, a parameter value (PS3.8 table 9-26)."""


def abort_pdu(reason: int) -> bytes:
    """Give the A-ABORT of the service provider (PS3.8 9.3.8)."""
    return bytes((7, 0, 0, 0, 0, 4, 0, 0, 2, reason))
