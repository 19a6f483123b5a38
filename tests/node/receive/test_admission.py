"""Who may come in, over real associations: by network, calling and called AE title, and how many at a time."""

import socket
from contextlib import ExitStack

import pytest
from structlog.testing import capture_logs

from node.receive.admission import Admission, Request
from node.receive.refusals import CALLED_TITLE, CALLING_TITLE, NETWORK, VERSION, Rejection
from sgseg_dicom.config import Receive
from sgseg_dicom.senders import Sender
from tests.node.raw_peer import connected, echo_message, play, read_pdu, request
from tests.node.receive.conftest import Open
from tests.node.receive.test_crowds import has_come_to

GOOD = ["accepted", "0x0000", "released"]
WARD = Sender(name="ward", networks=("127.0.0.2/32", "10.0.0.0/8"), calling_ae_titles=("ROOM",))
OFFICE = Sender(name="office", networks=("127.0.0.3",))
TITLE = Sender(name="title", calling_ae_titles=("PACS",))


def asked(calling: str = "ROOM", called: str = "SGSEG", version: int = 1) -> Request:
    return Request(calling=calling, called=called, version=version, only_echo=False)


@pytest.mark.parametrize(
    ("senders", "calling", "address", "expected"),
    [
        ((), "ANYONE", "192.0.2.1", "any"),
        ((WARD,), "ROOM", "127.0.0.2", "ward"),
        ((WARD,), "ROOM", "10.9.8.7", "ward"),
        ((WARD,), "ROOM", "::ffff:10.9.8.7", "ward"),
        ((WARD,), "ROOM", "11.0.0.1", NETWORK),
        ((WARD,), "PACS", "10.9.8.7", CALLING_TITLE),
        ((WARD, OFFICE), "PACS", "127.0.0.3", "office"),
        ((WARD, OFFICE), "ROOM", "127.0.0.3", "office"),
        ((WARD, TITLE), "PACS", "10.9.8.7", "title"),
        ((WARD, TITLE), "PACS", "192.0.2.1", "title"),
        ((WARD, TITLE), "ROOM", "192.0.2.1", CALLING_TITLE),
        ((Sender(name="six", networks=("2001:db8::/32",)),), "ROOM", "2001:db8::1%eth0", "six"),
    ],
    ids=str,
)
def test_network_and_title_must_fit_together(
    senders: tuple[Sender, ...], calling: str, address: str, expected: str | Rejection
) -> None:
    """Of one entry; the first that fits counts."""
    found = Admission(Receive(), senders).sender(asked(calling), address)

    assert (found if isinstance(found, Rejection) else found.name) == expected


def test_the_list_of_titles_is_one_more_entry() -> None:
    """[receive] calling_ae_titles, as before there were entries."""
    admission = Admission(Receive(calling_ae_titles=("PACS",)), (WARD,))

    assert getattr(admission.sender(asked("PACS"), "192.0.2.1"), "name", "") == "calling_ae_titles"
    assert admission.sender(asked("ROOM"), "192.0.2.1") == CALLING_TITLE


@pytest.mark.parametrize("check", [True, False])
def test_the_called_title_is_checked(check: bool) -> None:
    """Unless [receive] check_called_ae_title is false."""
    found = Admission(Receive(check_called_ae_title=check)).sender(asked(called="OTHER"), "192.0.2.1")

    assert (found == CALLED_TITLE) == check


def test_another_protocol_version_is_rejected() -> None:
    """As PS3.8 9.3.4 codes it."""
    assert Admission(Receive()).sender(asked(version=2), "192.0.2.1") == VERSION


@pytest.mark.parametrize(
    ("source", "calling", "called", "coded"),
    [
        ("127.0.0.2", b"ROOM", b"OTHER", (1, 1, 7)),
        ("127.0.0.2", b"PACS", b"SGSEG", (1, 1, 3)),
        ("127.0.0.4", b"ROOM", b"SGSEG", (1, 1, 1)),
    ],
)
def test_a_rejection_is_coded_told_and_counted(
    open_receiver: Open, source: str, calling: bytes, called: bytes, coded: tuple[int, int, int]
) -> None:
    """The peer gets the codes of PS3.8 9.3.4; the log names it with the cause, the status has a number."""
    listener = open_receiver((WARD,))
    with capture_logs() as lines, connected(listener.port, source=source) as peer:
        peer.sendall(request(called=called.ljust(16), calling=calling.ljust(16)))
        answer = read_pdu(peer)

    (line,) = [line for line in lines if line["event"] == "association_rejected"]
    assert answer == (3, bytes((0, *coded)))
    assert (line["address"], line["peer"], line["called"]) == (source, calling.decode(), called.decode())
    assert "/".join(map(str, coded)) in line["detail"]
    assert has_come_to(
        lambda: any(name.startswith("rejected: ") and count == 1 for name, count in listener.counts.items())
    )


def test_who_fits_comes_in_and_is_counted(open_receiver: Open) -> None:
    """By the name of the entry."""
    listener = open_receiver((WARD,))

    assert play(listener.port, request(calling=b"ROOM".ljust(16)), source="127.0.0.2") == [
        "accepted",
        "released",
    ]
    assert has_come_to(lambda: listener.counts.get("let in: ward") == 1)


def test_an_entry_has_its_own_limit(open_receiver: Open) -> None:
    """Other entries are not touched by it; its own members give way to each other when they are quiet."""
    ward = Sender(name="ward", networks=("127.0.0.2",), max_associations=1)
    listener = open_receiver((ward, OFFICE), idle_seconds=600.0)
    with ExitStack() as stack:
        quiet = stack.enter_context(connected(listener.port, source="127.0.0.2"))
        quiet.sendall(request())
        read_pdu(quiet)

        assert play(listener.port, request(), echo_message(), answers=1, source="127.0.0.3") == GOOD
        assert play(listener.port, request(), echo_message(), answers=1, source="127.0.0.2") == GOOD
        assert read_pdu(quiet)[0] == 7  # A-ABORT: it gave way


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_a_peer_comes_over_ipv6(open_receiver: Open) -> None:
    """Its address has four parts."""
    listener = open_receiver((Sender(name="six", networks=("::1/128",)),), host="::1")
    with socket.create_connection(("::1", listener.port), timeout=20) as peer:
        peer.sendall(request())

        assert read_pdu(peer)[0] == 2
