"""Destinations that answer oddly: what says nothing of the results does no harm, and what stops them is named."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from node.delivery.dimse import DimseSender
from sgseg_dicom.config import Destination
from sgseg_dicom.errors import DeliveryRefused, PeerUnavailable
from tests.node.raw_peer import EXPLICIT, IMPLICIT, accept, command, elements_of, item, p_data, read_pdu, ui

Answer = Callable[[socket.socket, list[int]], None]
ABORT = struct.pack(">BBLBBBB", 7, 0, 4, 0, 0, 0, 0)


def contexts_of(request: bytes) -> list[int]:
    """Give the numbers of the contexts that an A-ASSOCIATE-RQ (without its first six bytes) offers."""
    place, numbers = 68, []
    while place < len(request):
        kind, length = struct.unpack_from(">BxH", request, place)
        if kind == 0x20:
            numbers.append(request[place + 4])
        place += 4 + length
    return numbers


@contextmanager
def peer(answer: Answer) -> Iterator[int]:
    """Give the port of a peer that reads one association request and then does as *answer* says."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            _, request = read_pdu(connection)
            answer(connection, contexts_of(request))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(20)


def courier(port: int) -> DimseSender:
    destination = Destination(name="PACS", host="127.0.0.1", port=port, ae_title="PACS")
    return DimseSender(destination, calling_ae_title="SGSEG", connect_seconds=2, answer_seconds=4)


def accepting(**odd: object) -> Answer:
    """Accept every context, answer one C-ECHO, and release."""

    def answer(connection: socket.socket, numbers: list[int]) -> None:
        made = {number: (0, IMPLICIT if number == numbers[0] else EXPLICIT) for number in numbers}
        made.update(odd.pop("contexts", {}))  # type: ignore[call-overload]
        connection.sendall(accept(made, **odd))  # type: ignore[arg-type]
        kind, body = read_pdu(connection)
        assert kind == 4, "no C-ECHO came"
        message = elements_of(body)[0x0110]
        response = {0x0002: ui("1.2.840.10008.1.1"), 0x0100: b"\x30\x80", 0x0120: message, 0x0800: b"\1\1"}
        connection.sendall(p_data(body[4], command({**response, 0x0900: b"\0\0"}), is_command=True))
        read_pdu(connection)
        connection.sendall(struct.pack(">BBLL", 6, 0, 4, 0))

    return answer


ODD_ANSWERS = {
    "an unknown user information sub-item": {"user": {0x5A: b"abcdef"}},
    "an unknown item": {"items": item(0x77, b"anything")},
    "a long implementation version name": {"user": {0x55: b"A NAME OF MORE THAN SIXTEEN"}},
    "an implementation version name in Latin-1": {"user": {0x55: "RÖNTGEN".encode("latin-1")}},
    "an implementation class UID that is none": {"user": {0x52: b"1." + b"2" * 80}},
    "no implementation class UID": {"user": {0x52: None}},
    "no maximum length": {"user": {0x51: None}},
    "roles that nobody asked for": {"user": {0x54: b"\0\x05abc"}},
    "protocol versions beside the first": {"version": 3},
    "titles of NULs": {"titles": bytes(32)},
    "titles in Latin-1": {"titles": "RÖNTGEN".encode("latin-1").ljust(32)},
    "a context that nobody offered": {"contexts": {251: (0, IMPLICIT)}},
    "a result of a later edition": {"contexts": {251: (9, "")}},
}


@pytest.mark.parametrize("odd", ODD_ANSWERS.values(), ids=ODD_ANSWERS)
def test_what_says_nothing_of_the_results_is_no_reason_to_abort(odd: dict[str, object]) -> None:
    """The association stands, and the destination's C-ECHO is a success (PS3.8 D.2: what is not known is ignored)."""
    with peer(accepting(**odd)) as port:
        courier(port).echo()


def test_a_destination_that_aborts_is_said_to_abort() -> None:
    """The cause is that of the A-ABORT, and where to look."""
    with (
        peer(lambda connection, _: connection.sendall(ABORT)) as port,
        pytest.raises(PeerUnavailable) as raised,
    ):
        courier(port).echo()

    assert "aborts the association (its application)" in str(raised.value)


@pytest.mark.parametrize("codes", [(9, 9, 9), (1, 3, 0), (2, 2, 200), (0, 0, 0)], ids=str)
def test_a_rejection_for_an_unlisted_reason_is_a_rejection(codes: tuple[int, int, int]) -> None:
    """PS3.8 reserves codes for later; the destination said no, and did not fall silent."""
    reject = struct.pack(">BBLBBBB", 3, 0, 4, 0, *codes)
    with (
        peer(lambda connection, _: connection.sendall(reject)) as port,
        pytest.raises(PeerUnavailable) as raised,
    ):
        courier(port).echo()

    assert "rejects the association" in str(raised.value)


@pytest.mark.parametrize("codes", [(2, 3), (2, 99), (1, 1), (77, 0)], ids=str)
def test_an_abort_for_an_unlisted_reason_is_an_abort(codes: tuple[int, int]) -> None:
    """Likewise of an abort."""
    abort = struct.pack(">BBLBBBB", 7, 0, 4, 0, 0, *codes)
    with (
        peer(lambda connection, _: connection.sendall(abort)) as port,
        pytest.raises(PeerUnavailable) as raised,
    ):
        courier(port).echo()

    assert "aborts the association" in str(raised.value)


def test_a_destination_that_answers_without_sense_is_said_to() -> None:
    """An answer whose lengths do not fit is no silence."""
    broken = accept({1: (0, IMPLICIT)})
    broken = broken[:-3] + b"\xff" + broken[-2:]
    broken = broken.replace(item(0x52, b"1.2.3"), b"\x52\0\xff\xff1.2.3")
    with (
        peer(lambda connection, _: connection.sendall(broken)) as port,
        pytest.raises(PeerUnavailable) as raised,
    ):
        courier(port).echo()

    assert "responds to the association request with what is not DICOM" in str(raised.value)


def test_a_destination_that_hangs_up_is_said_to() -> None:
    """It took the connection: that it does not run is not the cause."""
    with peer(lambda connection, _: None) as port, pytest.raises(PeerUnavailable) as raised:
        courier(port).echo()

    assert "took the connection" in str(raised.value)


def test_nobody_at_the_port_is_said_to_be_nobody() -> None:
    """Only then is it asked whether the destination runs."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(PeerUnavailable) as raised:
        courier(port).echo()

    assert "does not respond; check that it runs" in str(raised.value)


def test_a_context_accepted_without_a_transfer_syntax_is_not_accepted() -> None:
    """Nothing can be sent in it; the others stand."""

    def answer(connection: socket.socket, numbers: list[int]) -> None:
        made = {number: (0, IMPLICIT if number == numbers[0] else "") for number in numbers}
        accepting(contexts=made)(connection, numbers)

    with peer(answer) as port, pytest.raises(DeliveryRefused) as raised:
        courier(port).echo()

    assert "does not accept" in str(raised.value)
