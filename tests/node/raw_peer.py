"""A peer that speaks DICOM's upper layer over a plain socket, so that it can say what no library would let it."""

import socket
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

VERIFICATION = "1.2.840.10008.1.1"
DX = "1.2.840.10008.5.1.4.1.1.1.1"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
RELEASE = struct.pack(">BBLL", 5, 0, 4, 0)
CONTEXTS = {1: (VERIFICATION, [IMPLICIT]), 3: (DX, [EXPLICIT])}
USER = {0x51: struct.pack(">L", 16384), 0x52: b"1.2.3", 0x55: b"RAW"}


def item(kind: int, value: bytes) -> bytes:
    """Encode an item or a sub-item."""
    return struct.pack(">BBH", kind, 0, len(value)) + value


def request(
    contexts: Mapping[int, tuple[str, Sequence[str]]] = CONTEXTS,
    *,
    called: bytes = b"SGSEG".ljust(16),
    calling: bytes = b"ODD".ljust(16),
    version: int = 1,
    user: Mapping[int, bytes | None] | None = None,
    items: bytes = b"",
    in_context: bytes = b"",
) -> bytes:
    """Encode an A-ASSOCIATE-RQ; *user* has sub-items beside the usual ones, None takes one out."""
    body = (
        struct.pack(">HH", version, 0) + called + calling + bytes(32) + item(0x10, b"1.2.840.10008.3.1.1.1")
    )
    for number, (abstract, transfer) in contexts.items():
        syntaxes = item(0x30, abstract.encode()) + b"".join(item(0x40, one.encode()) for one in transfer)
        body += item(0x20, bytes((number, 0, 0, 0)) + syntaxes + in_context)
    given = {**USER, **(user or {})}
    body += items + item(
        0x50, b"".join(item(kind, value) for kind, value in given.items() if value is not None)
    )
    return struct.pack(">BBL", 1, 0, len(body)) + body


def accept(
    contexts: Mapping[int, tuple[int, str]],
    *,
    version: int = 1,
    titles: bytes = b" " * 32,
    user: Mapping[int, bytes | None] | None = None,
    items: bytes = b"",
) -> bytes:
    """Encode an A-ASSOCIATE-AC: {context: (result, transfer syntax)}."""
    body = struct.pack(">HH", version, 0) + titles + bytes(32) + item(0x10, b"1.2.840.10008.3.1.1.1")
    for number, (result, syntax) in contexts.items():
        named = item(0x40, syntax.encode()) if syntax else b""
        body += item(0x21, bytes((number, 0, result, 0)) + named)
    given = {**USER, **(user or {})}
    body += items + item(
        0x50, b"".join(item(kind, value) for kind, value in given.items() if value is not None)
    )
    return struct.pack(">BBL", 2, 0, len(body)) + body


def command(elements: Mapping[int, bytes | None]) -> bytes:
    """Encode a command set with its group length: {element number: value}, None takes one out."""
    data = b"".join(
        struct.pack("<HHL", 0, number, len(value)) + value
        for number, value in sorted(elements.items())
        if value is not None
    )
    return struct.pack("<HHLL", 0, 0, 4, len(data)) + data


def ui(text: str, pad: bytes = b"\0") -> bytes:
    """Encode a UID."""
    return text.encode() + pad * (len(text) % 2)


def store_command(uid: str, changes: Mapping[int, bytes | None], *, message: int = 1) -> bytes:
    """Encode a C-STORE-RQ of a DX with elements changed, or taken out."""
    plain: dict[int, bytes | None] = {
        0x0002: ui(DX),
        0x0100: b"\1\0",
        0x0110: struct.pack("<H", message),
        0x0700: b"\0\0",
        0x0800: b"\1\0",
        0x1000: ui(uid),
    }
    return command({**plain, **changes})


def p_data(context: int, data: bytes, *, is_command: bool, last: bool = True) -> bytes:
    """Encode a P-DATA-TF with one fragment."""
    flags = (1 if is_command else 0) | (2 if last else 0)
    pdv = struct.pack(">LBB", len(data) + 2, context, flags) + data
    return struct.pack(">BBL", 4, 0, len(pdv)) + pdv


def echo_message(changes: Mapping[int, bytes | None] | None = None) -> list[bytes]:
    """Encode a C-ECHO-RQ."""
    plain: dict[int, bytes | None] = {
        0x0002: ui(VERIFICATION),
        0x0100: b"\x30\0",
        0x0110: b"\1\0",
        0x0800: struct.pack("<H", 0x0101),
    }
    return [p_data(1, command({**plain, **(changes or {})}), is_command=True)]


def store_message(
    uid: str, data: bytes, changes: Mapping[int, bytes | None] | None = None, *, message: int = 1
) -> list[bytes]:
    """Encode a C-STORE-RQ and its data set."""
    return [
        p_data(3, store_command(uid, changes or {}, message=message), is_command=True),
        p_data(3, data, is_command=False),
    ]


def plain(connection: socket.socket) -> socket.socket:
    """Leave a connection without TLS."""
    return connection


secured = plain
"""What becomes of each new connection; tests of TLS put a handshake here."""


def connect(port: int, seconds: float = 60, *, source: str = "127.0.0.1") -> socket.socket:
    """Open a connection to this machine from an address of it: 127.0.0.2 is one, too."""
    return secured(socket.create_connection(("127.0.0.1", port), timeout=seconds, source_address=(source, 0)))


@contextmanager
def connected(port: int, seconds: float = 60, *, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    """Open a connection, and close it."""
    with connect(port, seconds, source=source) as connection:
        yield connection


def read_pdu(connection: socket.socket) -> tuple[int, bytes]:
    """Read a PDU: its type (0 where the peer has closed) and what follows its length."""
    head = _read(connection, 6)
    if len(head) < 6:
        return 0, b""
    kind, _, length = struct.unpack(">BBL", head)
    return kind, _read(connection, length)


def play(
    port: int,
    asked: bytes,
    messages: Iterable[bytes] = (),
    *,
    answers: int = 0,
    source: str = "127.0.0.1",
) -> list[str]:
    """Ask for an association, send all *messages* at once, read so many *answers*; give what came back in words."""
    names = {0: "closed", 2: "accepted", 3: "rejected", 6: "released", 7: "aborted"}
    with connected(port, source=source) as connection:
        connection.sendall(asked)
        kind, _ = read_pdu(connection)
        words = [names[kind]]
        if kind != 2:
            return words
        for message in messages:
            connection.sendall(message)
        for _ in range(answers):
            kind, body = read_pdu(connection)
            words.append(f"0x{status_of(body):04X}" if kind == 4 else names[kind])
            if kind != 4:
                return words
        connection.sendall(RELEASE)
        return [*words, names[read_pdu(connection)[0]]]


def elements_of(body: bytes) -> dict[int, bytes]:
    """Give the command elements in the first fragment of a P-DATA-TF."""
    data, found = body[6:], {}
    while len(data) >= 8:
        _, element, length = struct.unpack_from("<HHL", data)
        found[element] = data[8 : 8 + length]
        data = data[8 + length :]
    return found


def status_of(body: bytes) -> int:
    """Give the Status (0000,0900) of a response."""
    return int.from_bytes(elements_of(body)[0x0900], "little")


def _read(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (piece := connection.recv(count - len(data))):
        data += piece
    return data
