"""An association in one thread: it waits for its peer, and for nothing else."""

import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.node.raw_peer import (
    RELEASE,
    connected,
    echo_message,
    p_data,
    play,
    read_pdu,
    request,
    status_of,
    store_command,
    store_message,
)
from tests.node.receive.conftest import Open
from tests.node.receive.test_odd_peers import image

GOOD = ["accepted", "0x0000", "released"]
PADDING = b"\xfc\xff\xfc\xffOB\0\0" + struct.pack("<L", 700_000) + bytes(range(250)) * 2800
"""Data Set Trailing Padding (PS3.10 7.2): an image becomes longer than what is read at once."""

ABORTED = (7, bytes((0, 0, 0, 0)))
"""An A-ABORT of the service user (PS3.8 9.3.8)."""


def wakes(thread_id: int | None) -> int:
    """Count how often a thread of this process stopped waiting."""
    status = Path(f"/proc/self/task/{thread_id}/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("voluntary_ctxt_switches")).split()[1])


def has_come_to(condition: Callable[[], object]) -> bool:
    until = time.monotonic() + 20
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def test_an_idle_association_does_nothing(open_receiver: Open) -> None:
    """It has one thread, which does not wake."""
    listener = open_receiver()
    with connected(listener.port) as peer:
        peer.sendall(request())
        read_pdu(peer)
        (association,) = listener.active_associations
        assert has_come_to(lambda: association.is_established)
        time.sleep(0.2)  # it has begun to wait
        before = wakes(association.native_id)
        time.sleep(0.5)

        assert wakes(association.native_id) == before
        assert not association.dul.is_alive()


def test_what_comes_byte_by_byte_is_taken(open_receiver: Open) -> None:
    """Neither a PDU nor a fragment comes whole to us."""
    uid, data = image()
    listener = open_receiver()
    with connected(listener.port) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.sendall(request())
        read_pdu(peer)
        command, pdu = store_message(uid, data)
        for byte in command + pdu[:50]:
            peer.sendall(bytes((byte,)))
        peer.sendall(pdu[50:])

        assert status_of(read_pdu(peer)[1]) == 0


@pytest.mark.parametrize("size", [100, 4096, 20_000, 300_000, 1 << 20])
def test_pdus_of_any_length_and_number_of_fragments_are_taken(
    open_receiver: Open, tmp_path: Path, size: int
) -> None:
    """Shorter and longer than what is read at once; and two images one after the other."""
    listener = open_receiver()
    for _ in range(2):
        uid, data = image()
        data += PADDING
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        pdus = [p_data(3, store_command(uid, {}), is_command=True)]
        pdus += [p_data(3, piece, is_command=False, last=False) for piece in pieces]
        pdus.append(p_data(3, b"", is_command=False))
        assert play(listener.port, request(), [b"".join(pdus)], answers=1) == GOOD

        (stored,) = [
            path for path in (tmp_path / "store").rglob("instances/*/*.dcm") if data in path.read_bytes()
        ]
        assert stored.read_bytes().endswith(data)


def test_an_image_that_came_whole_before_an_abort_is_kept(open_receiver: Open, tmp_path: Path) -> None:
    """The sender asks for no answer any more; the image is there."""
    uid, data = image()
    listener = open_receiver()
    with connected(listener.port) as peer:
        peer.sendall(request())
        read_pdu(peer)
        peer.sendall(b"".join((*store_message(uid, data), b"\7\0\0\0\0\4\0\0\0\0")))
        assert read_pdu(peer) == (0, b"")

    assert has_come_to(lambda: not listener.active_associations)
    assert len(list((tmp_path / "store").rglob("instances/*/*.dcm"))) == 1


def test_a_command_in_the_place_of_a_data_set_leaves_no_file(open_receiver: Open, tmp_path: Path) -> None:
    """Else a peer could fill the folder with files of images that never come."""
    uid, data = image()
    with connected(open_receiver().port) as peer:
        peer.sendall(request())
        read_pdu(peer)
        peer.sendall(p_data(3, store_command(uid, {}), is_command=True) * 20)
        peer.sendall(b"".join(store_message(uid, data)))
        read_pdu(peer)

        assert list((tmp_path / "store").rglob("incoming/*")) == []


def test_a_quiet_association_is_aborted_in_time(open_receiver: Open) -> None:
    """With an A-ABORT, and not before [receive] idle_seconds; the log says why."""
    listener = open_receiver(idle_seconds=0.5)
    with connected(listener.port) as peer, capture_logs() as lines:
        peer.sendall(request())
        read_pdu(peer)
        start = time.monotonic()
        assert read_pdu(peer) == ABORTED

        assert time.monotonic() - start > 0.4
        assert has_come_to(lambda: not listener.active_associations)
    assert [line["detail"] for line in lines] == ["nothing came for 0.5 s"]


def test_a_receiver_that_stops_aborts_its_associations(open_receiver: Open) -> None:
    """The peer learns it by an A-ABORT (PS3.8 9.3.8), and not by a connection that breaks."""
    listener = open_receiver()
    with connected(listener.port, 10) as peer:
        peer.sendall(request())
        read_pdu(peer)
        listener.stop(patience_seconds=0)

        assert [read_pdu(peer), read_pdu(peer)] == [ABORTED, (0, b"")]
    assert not listener.active_associations


def test_a_release_behind_a_request_is_answered_after_it(open_receiver: Open) -> None:
    """Both come in one piece."""
    with connected(open_receiver().port) as peer:
        peer.sendall(request())
        read_pdu(peer)
        peer.sendall(b"".join((*echo_message(), RELEASE)))

        assert [read_pdu(peer)[0] for _ in range(3)] == [4, 6, 0]


def test_a_response_fits_into_the_pdus_of_the_peer(open_receiver: Open) -> None:
    """128 bytes are the least that a peer may ask for here; a response has more."""
    uid, data = image()
    with connected(open_receiver().port) as peer:
        peer.sendall(request(user={0x51: (128).to_bytes(4, "big")}))
        read_pdu(peer)
        peer.sendall(b"".join(store_message(uid, data)))
        pdus = [read_pdu(peer), read_pdu(peer)]

        assert [kind for kind, _ in pdus] == [4, 4]
        assert max(len(body) for _, body in pdus) <= 128
