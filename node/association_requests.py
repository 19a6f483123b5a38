"""
What a peer's association request or answer says of what is to be sent, without the rest that it may hold.

pynetdicom 3.0 aborts an association over items that PS3.8 tells it to ignore, and over texts that say nothing of what
is to be sent. Here the bytes are put in order before pynetdicom reads them:

- items and sub-items of unknown type, which are to be ignored (PS3.8 9.3.1, D.2), and those of negotiations that this
  software does not take part in (roles, asynchronous operations, extended negotiation, user identity);
- protocol versions beside the first, of which bit 0 alone is to be tested (PS3.8 tables 9-11 and 9-17);
- AE titles padded with NUL, and those with letters that no AE title has;
- UIDs padded with NUL or blanks, and what is no UID: its presentation context is refused, and not all of them;
- implementation version names of more than 16 characters;
- reasons of a rejection or an abort that PS3.8 does not list.
"""

import re
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any

A_ASSOCIATE_RQ, A_ASSOCIATE_AC, _A_ASSOCIATE_RJ, _A_ABORT = 0x01, 0x02, 0x03, 0x07
_ITEMS_FROM = 74
"""Bytes before the variable items, in both PDUs (PS3.8 tables 9-11 and 9-17)."""

_APPLICATION, _CONTEXT, _CONTEXT_RESULT, _USER_INFORMATION = 0x10, 0x20, 0x21, 0x50
_ABSTRACT_SYNTAX, _TRANSFER_SYNTAX = 0x30, 0x40
_MAXIMUM_LENGTH, _IMPLEMENTATION_CLASS, _IMPLEMENTATION_VERSION = 0x51, 0x52, 0x55
_APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
_NAME_LENGTH = 16
"""Characters of an AE title (PS3.5 6.2) and of an implementation version name (PS3.7 D.3.3.2)."""

_NO_SYNTAX = b"2.25.0"
"""Stands for a syntax whose UID is none: nobody supports it."""

_REJECTED_FOR = {1: (1, 2, 3, 7), 2: (1, 2), 3: (1, 2)}
"""Reasons of a rejection by its source (PS3.8 table 9-21); the first, "no reason given", stands for every other."""

_ABORTED_FOR = (0, 1, 2, 4, 5, 6)
"""Reasons of an abort by the provider (PS3.8 table 9-26), likewise."""

_DEFAULT_LENGTH, _LEAST_LENGTH = 16_384, 128
"""Bytes of a PDU for a peer that does not say how many it takes, or so few that no message fits."""

_UID = re.compile(rb"[0-9.]{1,64}")
UNDECODABLE = (ValueError, TypeError, LookupError, AttributeError, AssertionError, struct.error)
"""What pynetdicom raises for a PDU that it cannot read."""

Item = tuple[int, bytes]


def tidied(pdu: bytes) -> bytes:
    """Give a PDU of association control with just what matters; one whose lengths do not fit, as it is."""
    if pdu[0] in (_A_ASSOCIATE_RJ, _A_ABORT) and len(pdu) == 10:
        return (
            pdu[:7] + _known_reason(*pdu[7:])
            if pdu[0] == _A_ASSOCIATE_RJ
            else pdu[:8] + _known_abort(*pdu[8:])
        )
    if pdu[0] not in (A_ASSOCIATE_RQ, A_ASSOCIATE_AC) or len(pdu) < _ITEMS_FROM:
        return pdu
    try:
        given = list(_items(pdu[_ITEMS_FROM:]))
        made = list(_request_items(given) if pdu[0] == A_ASSOCIATE_RQ else _answer_items(given))
    except struct.error:
        return pdu
    (version,) = struct.unpack_from(">H", pdu, 6)
    fixed = struct.pack(">HH", 1 if version & 1 else version, 0) + _title(pdu[10:26]) + _title(pdu[26:42])
    body = fixed + bytes(_ITEMS_FROM - 42) + _encoded(made)
    return struct.pack(">BBL", pdu[0], 0, len(body)) + body


def calling_title(pdu: bytes) -> str:
    """Give the AE title of who sent an A-ASSOCIATE-RQ; "" where it is cut off before."""
    return _title(pdu[26:42]).decode("ascii").strip() if len(pdu) >= 42 else ""


def read_tidied(
    association: Any, *, on_unreadable: Callable[[bytes, str], None] = lambda pdu, why: None
) -> None:
    """
    Let a pynetdicom association of either side read its peer's request or answer tidied.

    Args:
        association: before its first PDU is read.
        on_unreadable: called with a PDU that cannot be read all the same, and why; pynetdicom aborts.
    """
    decode = association.dul._decode_pdu

    def decode_tidied(pdu: bytearray) -> tuple[Any, str]:
        if pdu[0] not in (A_ASSOCIATE_RQ, A_ASSOCIATE_AC, _A_ASSOCIATE_RJ, _A_ABORT):
            return decode(pdu)  # type: ignore[no-any-return]
        try:
            decoded, event = decode(bytearray(tidied(bytes(pdu))))
            decoded.to_primitive()  # else pynetdicom finds out where nobody catches it, and the peer waits
        except UNDECODABLE as error:
            on_unreadable(bytes(pdu), str(error) or type(error).__name__)
            raise
        if pdu[0] == A_ASSOCIATE_RQ and decoded.protocol_version != 1:
            on_unreadable(bytes(pdu), f"protocol version 0x{decoded.protocol_version:04X} is not supported")
        return decoded, event

    association.dul._decode_pdu = decode_tidied


def _known_reason(result: int, source: int, reason: int) -> bytes:
    source = source if source in _REJECTED_FOR else 1
    known = _REJECTED_FOR[source]
    return bytes((2 if result == 2 else 1, source, reason if reason in known else known[0]))


def _known_abort(source: int, reason: int) -> bytes:
    return bytes((source if source == 2 else 0, reason if reason in _ABORTED_FOR else 0))


def _items(data: bytes) -> Iterator[Item]:
    """Give type and value of each item; zeros behind the last one are padding."""
    place = 0
    while data[place:].strip(b"\0"):
        kind, length = struct.unpack_from(">BxH", data, place)
        value = data[place + 4 : place + 4 + length]
        if len(value) < length:
            raise struct.error("an item is longer than what it stands in")
        yield kind, value
        place += 4 + length


def _encoded(items: Iterable[Item]) -> bytes:
    return b"".join(struct.pack(">BBH", kind, 0, len(value)) + value for kind, value in items)


def _request_items(items: list[Item]) -> Iterator[Item]:
    yield _APPLICATION, _application_context(items)
    for kind, value in items:
        if (
            kind == _CONTEXT and value and value[0] % 2
        ):  # an even number cannot be answered (PS3.8 table 9-13)
            syntaxes = list(_items(value[4:]))
            yield _CONTEXT, value[:1] + bytes(3) + _encoded(_proposed(syntaxes))
    yield _USER_INFORMATION, _encoded(_user_information(items))


def _answer_items(items: list[Item]) -> Iterator[Item]:
    yield _APPLICATION, _application_context(items)
    for kind, value in items:
        if kind == _CONTEXT_RESULT and len(value) >= 4:
            syntaxes = [uid for uid in map(_uid, _values(_items(value[4:]), _TRANSFER_SYNTAX)) if uid]
            # The transfer syntax of a context that is not accepted is not significant (PS3.8 9.3.3.2).
            accepted = [(_TRANSFER_SYNTAX, syntaxes[0])] if value[2] == 0 and syntaxes else []
            result = value[2] if accepted else value[2] or 4  # 4: transfer syntaxes not supported
            yield _CONTEXT_RESULT, bytes((value[0], 0, min(result, 4), 0)) + _encoded(accepted)
    yield _USER_INFORMATION, _encoded(_user_information(items))


def _proposed(syntaxes: list[Item]) -> Iterator[Item]:
    """Give the abstract syntax and the transfer syntaxes of a context, those that are no UID left out."""
    abstract = next(iter(_values(syntaxes, _ABSTRACT_SYNTAX)), b"")
    yield _ABSTRACT_SYNTAX, _uid(abstract) or _NO_SYNTAX
    known = [uid for uid in map(_uid, _values(syntaxes, _TRANSFER_SYNTAX)) if uid]
    yield from ((_TRANSFER_SYNTAX, uid) for uid in known or [_NO_SYNTAX])


def _user_information(items: list[Item]) -> Iterator[Item]:
    given = dict(reversed(list(_items(next(iter(_values(items, _USER_INFORMATION)), b"")))))
    length = given.get(_MAXIMUM_LENGTH, b"")
    (most,) = struct.unpack(">L", length) if len(length) == 4 else (_DEFAULT_LENGTH,)
    yield _MAXIMUM_LENGTH, struct.pack(">L", _DEFAULT_LENGTH if 0 < most < _LEAST_LENGTH else most)
    if uid := _uid(given.get(_IMPLEMENTATION_CLASS, b"")):
        yield _IMPLEMENTATION_CLASS, uid
    if name := _printable(given.get(_IMPLEMENTATION_VERSION, b""))[:_NAME_LENGTH].strip():
        yield _IMPLEMENTATION_VERSION, name


def _application_context(items: list[Item]) -> bytes:
    return _uid(next(iter(_values(items, _APPLICATION)), b"")) or _APPLICATION_CONTEXT


def _values(items: Iterable[Item], wanted: int) -> list[bytes]:
    return [value for kind, value in items if kind == wanted]


def _uid(value: bytes) -> bytes:
    """Give a UID without what it is padded with; b"" where it is none."""
    uid = value.strip(b"\0 ")
    return uid if _UID.fullmatch(uid) else b""


def _title(field: bytes) -> bytes:
    """Give an AE title, padded with blanks; "?" for a letter that none has, and for one that is empty."""
    return (_printable(field).strip() or b"?").ljust(_NAME_LENGTH)


def _printable(text: bytes) -> bytes:
    """Give the text up to the first NUL, with "?" for what is no printable ASCII, or a backslash."""
    return re.sub(rb"[^ -\[\]-~]", b"?", text.strip(b"\0 ").split(b"\0")[0])
