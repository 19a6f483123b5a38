"""What a destination says of each object decides what happens next."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.uid import ImplicitVRLittleEndian, SegmentationStorage
from pynetdicom import AE

from node.delivery.dimse import DimseSender
from sgseg_dicom.config import Destination
from sgseg_dicom.errors import DeliveryRefused, PeerUnavailable
from tests.node.stand_in import results_of
from tests.support.builders import chest_radiograph


def sender_to(destination: Destination, *, answer_seconds: float = 5.0) -> DimseSender:
    return DimseSender(
        destination, calling_ae_title="SGSEG", connect_seconds=2.0, answer_seconds=answer_seconds
    )


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Give a SEG and an SR, as the store keeps them."""
    paths = []
    for ds in results_of(chest_radiograph()).objects:
        paths.append(tmp_path / f"{ds.Modality}.dcm")
        ds.save_as(paths[-1], enforce_file_format=True)
    return paths


def test_the_kept_bytes_arrive_in_order(archive, files):
    """
    The data sets at the destination are the kept ones, the SEG before the SR that references it.
    """
    sender_to(archive.destination).send(files)

    arrived = [dcmread(DicomBytesIO(content)) for content in archive.got]
    assert arrived == [dcmread(file) for file in files]


@pytest.mark.parametrize("status", [0xA700, 0xA701])
def test_out_of_resources_is_worth_another_attempt(archive, files, status):
    """
    A7xx is transient (PS3.4 B.2.3).
    """
    archive.answers = lambda count: status

    with pytest.raises(PeerUnavailable, match=f"0x{status:04X}"):
        sender_to(archive.destination).send(files)


@pytest.mark.parametrize("status", [0x0110, 0x0122, 0x0124, 0xA900, 0xC000])
def test_a_refusal_is_final_and_has_its_status(archive, files, status):
    """
    Nothing is gained by sending the same bytes again; and the other object still goes out.
    """
    archive.answers = lambda count: status if count == 1 else 0

    with pytest.raises(DeliveryRefused, match=f"SEG.dcm: status 0x{status:04X}"):
        sender_to(archive.destination).send(files)
    assert len(archive.got) == 2


@pytest.mark.parametrize("status", [0xB000, 0xB006, 0xB007, 0x0111])
def test_a_warning_and_a_duplicate_are_stored(archive, files, status):
    """
    Bxxx is stored with a warning; 0111 says that an earlier attempt came through.
    """
    archive.answers = lambda count: status

    sender_to(archive.destination).send(files)


def test_a_closed_port_is_unavailable(files):
    """
    A destination that is not there may come back.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    peer = Destination(name="gone", ae_title="GONE", host="127.0.0.1", port=port)

    with pytest.raises(PeerUnavailable, match="check that it runs"):
        sender_to(peer).send(files)


def test_a_host_whose_name_is_not_found_is_unavailable(files):
    """
    A name server that is away for a while costs no result.
    """
    nobody = Destination(name="x", ae_title="X", host="nobody.invalid", port=104)

    with pytest.raises(PeerUnavailable, match="check host and DNS"):
        sender_to(nobody).send(files)
    with pytest.raises(PeerUnavailable, match="check host and DNS"):
        sender_to(nobody).echo()


def test_a_large_object_has_time_for_a_slow_network(archive, files):
    """
    The limit for an answer does not hold for what is still being sent.
    """
    ds = dcmread(files[0])
    ds.EncapsulatedDocument = bytes(4 << 20)
    ds.save_as(files[0])

    with slow_network_to(archive.port, bytes_per_second=1 << 20) as port:
        slow = archive.destination.model_copy(update={"port": port})
        sender_to(slow, answer_seconds=2.0).send(files)

    assert len(archive.got) == 2


@contextmanager
def slow_network_to(port: int, *, bytes_per_second: int) -> Iterator[int]:
    """A relay that passes on what one client says at a limited rate; give its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)

    def there(client: socket.socket, server: socket.socket) -> None:
        while piece := client.recv(1 << 15):
            server.sendall(piece)
            time.sleep(len(piece) / bytes_per_second)

    def back(client: socket.socket, server: socket.socket) -> None:
        while piece := server.recv(1 << 15):
            client.sendall(piece)

    def relay() -> None:
        client, _ = listener.accept()
        with client, socket.create_connection(("127.0.0.1", port)) as server, suppress(OSError):
            threading.Thread(target=back, args=(client, server), daemon=True).start()
            there(client, server)

    thread = threading.Thread(target=relay, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join(30)
        listener.close()


def test_a_destination_that_never_answers_is_given_up_in_time(files):
    """
    A peer that takes the connection and says nothing costs one time limit.
    """
    with socket.create_server(("127.0.0.1", 0)) as mute:
        peer = Destination(name="mute", ae_title="MUTE", host="127.0.0.1", port=mute.getsockname()[1])

        with pytest.raises(PeerUnavailable):
            sender_to(peer, answer_seconds=0.3).send(files)


def test_a_destination_that_hangs_in_the_middle_is_given_up_in_time(archive, files):
    """
    No answer to a C-STORE is no success.
    """
    hang = threading.Event()
    archive.answers = lambda count: hang.wait(60) and 0

    with pytest.raises(PeerUnavailable, match="did not answer"):
        sender_to(archive.destination, answer_seconds=2.0).send(files)
    hang.set()


def test_results_wait_for_a_destination_that_does_not_know_us(archive, files):
    """
    Rejected permanently: the configuration of one side is wrong, and the results wait until a person corrects it.
    """
    archive.ae.require_calling_aet = ["SOMEBODY"]

    with pytest.raises(PeerUnavailable, match="AE titles"):
        sender_to(archive.destination).send(files)


def test_a_destination_that_is_busy_is_worth_another_attempt(archive, files):
    """
    Rejected transiently: local limit exceeded.
    """
    archive.ae.maximum_associations = 1
    first = AE().associate("127.0.0.1", archive.port, archive.ae.supported_contexts)

    with pytest.raises(PeerUnavailable, match="for now"):
        sender_to(archive.destination).send(files)
    first.release()


def test_a_destination_without_segmentations_gets_the_report(archive, files):
    """
    An object that finds no presentation context is told, and does not keep the others back.
    """
    archive.ae.remove_supported_context("1.2.840.10008.5.1.4.1.1.66.4")
    archive.restart()

    with pytest.raises(DeliveryRefused, match="does not accept Segmentation Storage"):
        sender_to(archive.destination).send(files)
    assert [dcmread(DicomBytesIO(content)).Modality for content in archive.got] == ["SR"]


def test_a_destination_that_knows_the_default_transfer_syntax_alone_gets_everything(archive, files):
    """
    Implicit VR Little Endian is what every one must take (PS3.5 10.1); nothing but the encoding is another.
    """
    for context in archive.ae.supported_contexts:
        context.transfer_syntax = [ImplicitVRLittleEndian]
    archive.restart()

    sender_to(archive.destination).send(files)

    arrived = [dcmread(DicomBytesIO(content)) for content in archive.got]
    assert [ds.file_meta.TransferSyntaxUID for ds in arrived] == [ImplicitVRLittleEndian] * 2
    for ds, file in zip(arrived, files, strict=True):
        assert ds.to_json_dict() == dcmread(file).to_json_dict()


def test_a_destination_that_takes_nothing_of_ours_is_final(archive, files):
    """
    The message says what was offered.
    """
    for uid in ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.88.33"):
        archive.ae.remove_supported_context(uid)
    archive.restart()

    with pytest.raises(DeliveryRefused, match="Segmentation Storage"):
        sender_to(archive.destination).send(files)


def test_an_echo_says_that_a_destination_is_there(archive):
    """
    `sgseg-node echo` before going live.
    """
    sender_to(archive.destination).echo()
    archive.close()

    with pytest.raises(PeerUnavailable):
        sender_to(archive.destination).echo()


def test_an_echo_says_what_a_destination_does_not_take(archive):
    """
    Before going live, not at the first finding.
    """
    archive.ae.remove_supported_context(SegmentationStorage)
    archive.restart()

    with pytest.raises(DeliveryRefused, match="answers, but does not accept Segmentation Storage; let it"):
        sender_to(archive.destination).echo()
