"""Nobody is locked out by who sends nothing, little, or nonsense: neither from other addresses nor from the same."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pynetdicom
import pytest
from pydicom.uid import generate_uid
from structlog.testing import capture_logs

from node.receive.listener import Listener
from tests.node.raw_peer import (
    DX,
    EXPLICIT,
    IMPLICIT,
    VERIFICATION,
    connect,
    echo_message,
    p_data,
    play,
    read_pdu,
    request,
    store_command,
    store_message,
)
from tests.node.receive.conftest import Open
from tests.node.receive.test_odd_peers import image

GOOD = ["accepted", "0x0000", "released"]
SAME, OTHER = "127.0.0.1", "127.0.0.2"
BOTH = pytest.mark.parametrize("source", [SAME, OTHER])
LONG = {"opening_seconds": 600.0, "idle_seconds": 600.0, "pdu_seconds": 600.0}
"""Limits that no test waits for: what is let in is let in for other reasons."""

ECHO_ONLY = {1: (VERIFICATION, [IMPLICIT])}
PATIENCE_SECONDS = 30


@contextmanager
def connections(listener: Listener, count: int, data: bytes = b"") -> Iterator[list[socket.socket]]:
    """Open connections that send some bytes at once."""
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            peer = stack.enter_context(connect(listener.port, 20))
            opened.append(peer)
            peer.sendall(data)
        yield opened


def is_stored(listener: Listener, source: str = SAME) -> bool:
    """Send an image, again if need be as senders do, and say whether it was taken within some seconds."""
    uid, data = image()
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            if play(listener.port, request(), store_message(uid, data), answers=1, source=source) == GOOD:
                return True
        except OSError:
            pass
        time.sleep(0.1)
    return False


def has_come_to(condition: object) -> bool:
    """Wait for a condition."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():  # type: ignore[operator]
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


@BOTH
@pytest.mark.parametrize(
    "data",
    [b"", b"GET / HTTP/1.0\r\n\r\n", request()[:18], request()[:-1]],
    ids=["silent", "no DICOM", "18 bytes", "all but one byte"],
)
def test_connections_without_a_whole_request_keep_nobody_out(
    open_receiver: Open, data: bytes, source: str
) -> None:
    """40 of them stay open, and none of the limits ends them meanwhile."""
    listener = open_receiver(**LONG)
    with connections(listener, 40, data):
        assert is_stored(listener, source)


@BOTH
def test_who_has_gone_is_gone(open_receiver: Open, source: str) -> None:
    """33 probes that send 18 bytes and close hold nothing, whatever the limits."""
    listener = open_receiver(max_associations=2, **LONG)
    for _ in range(33):
        with connections(listener, 1, request()[:18]):
            pass

    assert is_stored(listener, source)
    assert has_come_to(lambda: not listener._doorway._visitors)


def test_a_request_must_be_whole_in_time_however_it_trickles(open_receiver: Open) -> None:
    """A byte every tenth of a second is no life sign: the limit is for the whole PDU."""
    listener = open_receiver(opening_seconds=1.0)
    with connections(listener, 1) as (peer,), capture_logs() as lines:
        sent = 0
        try:
            for byte in request():
                peer.send(bytes((byte,)))
                sent += 1
                time.sleep(0.1)
        except OSError:
            pass

        assert sent < len(request())
        assert any("was not whole within 1 s" in line.get("detail", "") for line in lines)


@BOTH
def test_idle_associations_give_way(open_receiver: Open, source: str) -> None:
    """As many as there may be, and none of them says anything."""
    listener = open_receiver(max_associations=4, max_associations_per_address=3, **LONG)
    with connections(listener, 4, request()):
        assert is_stored(listener, source)


@BOTH
def test_associations_that_drip_an_image_give_way(open_receiver: Open, source: str) -> None:
    """A PDU that never becomes whole is no traffic."""
    listener = open_receiver(max_associations=4, max_associations_per_address=4, **LONG)
    with connections(listener, 4, request()) as peers:
        for peer in peers:
            read_pdu(peer)
            peer.sendall(p_data(3, store_command(generate_uid(), {}), is_command=True))
            peer.sendall(p_data(3, bytes(50_000), is_command=False)[:100])

        assert is_stored(listener, source)


def test_a_pdu_must_be_whole_in_time(open_receiver: Open) -> None:
    """Also after the association was accepted; the log says why it ended."""
    listener = open_receiver(pdu_seconds=0.5)
    with connections(listener, 1, request()) as (peer,), capture_logs() as lines:
        read_pdu(peer)
        peer.sendall(struct.pack(">BBL", 4, 0, 1000))

        assert has_come_to(lambda: not listener.active_associations)
        assert has_come_to(lambda: any("did not come whole in time" in line["detail"] for line in lines))


def test_who_is_sending_is_not_broken_off(open_receiver: Open) -> None:
    """All places are taken by senders at work: the next one is rejected as transient, and they go on."""
    listener = open_receiver(max_associations=2, **LONG)
    uid, data = image()
    stop = threading.Event()

    def send(peer: socket.socket) -> None:
        while not stop.wait(0.05):
            for message in store_message(uid, data):
                peer.sendall(message)
            assert read_pdu(peer)[0] == 4

    with connections(listener, 2, request()) as peers:
        for peer in peers:
            read_pdu(peer)
        threads = [threading.Thread(target=send, args=(peer,)) for peer in peers]
        for thread in threads:
            thread.start()
        with capture_logs() as lines:
            answer = play(listener.port, request(), source=OTHER)
        stop.set()
        for thread in threads:
            thread.join()

        assert answer == ["rejected"]
        (line,) = [line for line in lines if line["event"] == "association_rejected"]
        assert "local limit exceeded (transient, 2/3/2)" in line["detail"]
        assert len(listener.active_associations) == 2


def test_one_address_leaves_places_to_others(open_receiver: Open) -> None:
    """However busy it is, it never has all of them."""
    listener = open_receiver(max_associations=4, max_associations_per_address=2, **LONG)
    with connections(listener, 2, request()) as peers:
        for peer in peers:
            read_pdu(peer)
        started = time.monotonic()

        assert play(listener.port, request(), echo_message(), answers=1, source=OTHER) == GOOD
        assert time.monotonic() - started < PATIENCE_SECONDS
        assert len(listener.active_associations) >= 2


def test_an_association_that_cannot_be_begun_costs_itself_alone(
    open_receiver: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more threads, say: the next one comes in, and no place stays taken."""
    listener = open_receiver()
    begun = "node.receive.listener._Connection"
    with capture_logs() as lines, monkeypatch.context() as broken:
        broken.setattr(begun, lambda *_: (_ for _ in ()).throw(RuntimeError("can't start new thread")))
        with connect(listener.port, 20) as peer:
            peer.sendall(request(ECHO_ONLY))
            assert read_pdu(peer)[0] == 7  # A-ABORT

    assert [line["error"] for line in lines if line["event"] == "defect"] == ["RuntimeError"]
    assert not listener._places.taken
    assert is_stored(listener)


def test_an_echo_has_a_place_of_its_own(open_receiver: Open) -> None:
    """Monitoring is answered though all places are taken by senders at work."""
    listener = open_receiver(max_associations=1, **LONG)
    with connections(listener, 1, request()) as (peer,):
        read_pdu(peer)

        assert play(listener.port, request(ECHO_ONLY), echo_message(), answers=1) == GOOD
        assert len(listener.active_associations) >= 1


def test_nonsense_is_aborted_as_the_standard_codes_it(open_receiver: Open) -> None:
    """A PDU of no known type, one that is not due, a request that cannot be read (PS3.8 table 9-26)."""
    listener = open_receiver()
    sent = (b"GET / HTTP/1.0\r\n\r\n", p_data(3, b"", is_command=True), request()[:-4] + b"\xffRAW")
    answers = []
    for data in sent:
        with connections(listener, 1, data) as (peer,):
            answers.append(read_pdu(peer))

    assert answers == [(7, bytes((0, 0, 2, reason))) for reason in (1, 2, 6)]


def test_a_request_of_any_length_is_not_gathered(open_receiver: Open) -> None:
    """Four announced gigabytes are refused before they come."""
    with connections(open_receiver(), 1, struct.pack(">BBL", 1, 0, 0xFFFFFFFF)) as (peer,):
        assert read_pdu(peer)[0] == 7


def test_many_contexts_are_no_attack(open_receiver: Open) -> None:
    """128 presentation contexts are the most that there can be (PS3.8 9.3.2.2)."""
    syntaxes = [IMPLICIT, EXPLICIT, *(f"1.2.840.10008.1.2.4.{number}" for number in range(50, 95))]
    contexts = {number: (DX, syntaxes) for number in range(1, 256, 2)}
    contexts[1] = (VERIFICATION, [IMPLICIT])

    assert play(open_receiver().port, request(contexts), echo_message(), answers=1) == GOOD


def test_requests_without_waiting_are_bounded(open_receiver: Open) -> None:
    """A peer that sends and never listens fills no queue: it is aborted."""
    listener = open_receiver(**LONG)
    with connections(listener, 1, request()) as (peer,), capture_logs() as lines:
        read_pdu(peer)
        try:
            for _ in range(50):
                peer.sendall(b"".join(echo_message()) * 100)
        except OSError:
            pass

        assert has_come_to(lambda: not listener.active_associations)
        assert any("without waiting" in line.get("detail", "") for line in lines)


def test_repetitions_are_counted(open_receiver: Open) -> None:
    """50 bad requests are two lines: the first one with address and title, and the number of the others."""
    listener = open_receiver()
    with capture_logs() as lines:
        for number in range(50):
            play(listener.port, request(calling=b"BAD%02d" % number + bytes(11))[:-4] + b"\xffRAW")
        listener.events.flush(everything=True)

    warnings = [line for line in lines if line["log_level"] == "warning"]
    assert [(line["address"], line.get("peer"), line.get("repeated")) for line in warnings] == [
        (SAME, "BAD00", None),
        (SAME, None, 49),
    ]


def test_what_is_used_of_pynetdicom_is_there(tmp_path: Path) -> None:
    """Names that it does not promise; they are those of 3.0."""
    from pynetdicom.association import Association
    from pynetdicom.dul import DULServiceProvider
    from pynetdicom.transport import AssociationSocket, RequestHandler

    assert pynetdicom.__version__.startswith("3.0.")
    for owner, names in {
        DULServiceProvider: ("_read_pdu_data", "_decode_pdu"),
        RequestHandler: ("_create_association",),
        AssociationSocket: ("recv", "ready"),
        Association: ("abort", "bind", "ident"),
    }.items():
        assert all(hasattr(owner, name) for name in names)
