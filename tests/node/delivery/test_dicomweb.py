"""What a DICOMweb service says of each object decides what happens next."""

import base64
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom.uid import ComprehensiveSRStorage, SegmentationStorage
from starlette.responses import RedirectResponse, Response

from node.delivery.dicomweb import WebSender
from node.delivery.dimse import DimseSender
from node.delivery.protocols import senders
from sgseg_dicom.config import Config, WebDestination
from sgseg_dicom.errors import ConfigError, DeliveryRefused, PeerUnavailable
from tests.node.web_service import JSON, Service, report, running_service, saved, stored
from tests.support.builders import chest_radiograph, write


def sender_to(
    destination: WebDestination, *, answer_seconds: float = 10.0, clock: Callable[[], float] = time.monotonic
) -> WebSender:
    return WebSender(destination, connect_seconds=2.0, answer_seconds=answer_seconds, clock=clock)


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    with running_service() as service:
        yield service


@pytest.fixture
def service(running: Service) -> Service:
    """A service that was asked nothing yet and stores everything."""
    running.asked.clear()
    running.answer = stored
    return running


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Give something like a SEG and an SR, as the store keeps them."""
    classes = {"SEG": SegmentationStorage, "SR": ComprehensiveSRStorage}
    return [
        write(chest_radiograph(Modality=modality, SOPClassUID=sop_class), tmp_path / f"{modality}.dcm")
        for modality, sop_class in classes.items()
    ]


def test_the_kept_bytes_arrive_in_order(service, files):
    """
    Each file is the one part of a request, byte for byte, the SEG before the SR that references it.
    """
    sender_to(service.destination()).send(files)

    assert [asked.part for asked in service.asked] == [file.read_bytes() for file in files]
    assert {(asked.method, asked.path) for asked in service.asked} == {("POST", "/dicom-web/studies")}


def test_a_file_that_is_larger_than_the_sockets_buffers_arrives(service, tmp_path):
    """
    A large object is sent with its length, not in chunks, which some services do not take.
    """
    file = write(chest_radiograph(EncapsulatedDocument=bytes(8 << 20)), tmp_path / "large.dcm")
    sender_to(service.destination()).send([file])

    assert service.asked[0].part == file.read_bytes()
    assert "transfer-encoding" not in service.asked[0].headers


def test_a_large_object_has_time_for_a_slow_network(tmp_path):
    """
    The limit for the connection holds for each piece that is sent, not for the whole.
    """
    file = write(chest_radiograph(EncapsulatedDocument=bytes(4 << 20)), tmp_path / "large.dcm")
    uid = chest_radiograph().SOPInstanceUID
    with reading_slowly(report(stored=uid).encode(), bytes_per_second=2 << 20) as (service, heard):
        WebSender(service, connect_seconds=0.5, answer_seconds=10.0).send([file])

    assert len(heard) > 4 << 20


@contextmanager
def reading_slowly(answer: bytes, *, bytes_per_second: int) -> Iterator[tuple[WebDestination, bytearray]]:
    """A service that reads one request at a limited rate before it answers; and what it has read."""
    listener, heard = socket.create_server(("127.0.0.1", 0)), bytearray()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            length = None
            while length is None or len(heard) < length:
                piece = connection.recv(1 << 15)
                heard.extend(piece)
                time.sleep(len(piece) / bytes_per_second)
                if length is None and b"\r\n\r\n" in heard:
                    head = heard[: heard.index(b"\r\n\r\n") + 4]
                    length = len(head) + int(re.search(rb"(?i)content-length: (\d+)", head)[1])
            connection.sendall(HEAD % len(answer) + answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield WebDestination(name="slow", protocol="dicomweb", url=url), heard
    finally:
        thread.join(30)
        listener.close()


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 507])
def test_a_service_in_trouble_is_worth_another_attempt(service, files, status):
    """
    The statuses that pass.
    """
    service.answer = lambda asked: Response(status_code=status)

    with pytest.raises(PeerUnavailable, match=f"status {status}"):
        sender_to(service.destination()).send(files)


@pytest.mark.parametrize("reason", [0xA700, 0xA7FF, 0xB00F])
@pytest.mark.parametrize("status", [200, 202, 409])
def test_out_of_resources_is_worth_another_attempt(service, files, status, reason):
    """
    A7xx is transient, whatever the status of the whole (PS3.18 I.2.2).
    """
    service.answer = lambda asked: Response(report(reason=reason), status, media_type=JSON)

    with pytest.raises(PeerUnavailable, match=f"0x{reason:04X}"):
        sender_to(service.destination()).send(files)


@pytest.mark.parametrize("reason", [0x0110, 0x0122, 0x0124, 0xA900, 0xC000])
@pytest.mark.parametrize("status", [200, 202, 409])
def test_a_refusal_is_final_and_has_its_reason(service, files, status, reason):
    """
    Whatever the status of the whole; and the other object still goes out.
    """
    first = Response(report(reason=reason), status, media_type=JSON)
    service.answer = lambda asked: first if len(service.asked) == 1 else stored(asked)

    with pytest.raises(DeliveryRefused, match=f"refused SEG.dcm: failure reason 0x{reason:04X};"):
        sender_to(service.destination()).send(files)
    assert len(service.asked) == 2


def test_a_failure_without_a_reason_or_an_instance_is_final(service, files):
    """
    Other Failures Sequence: the service did not even find out what it was given.
    """
    other = '{"0008119A": {"vr": "SQ", "Value": [{}]}}'
    service.answer = lambda asked: Response(other, 202, media_type=JSON)

    with pytest.raises(DeliveryRefused, match="0x0110"):
        sender_to(service.destination()).send(files)


@pytest.mark.parametrize("reason", [0x0111, 0xB00E])
def test_a_duplicate_is_stored(service, files, reason):
    """
    An earlier attempt came through, and its answer was lost.
    """
    service.answer = lambda asked: Response(report(reason=reason, failed=asked.uid), 409, media_type=JSON)

    sender_to(service.destination()).send(files)


def test_a_duplicate_of_another_object_is_not_ours(service, files):
    """
    Nothing counts as delivered that the service does not name.
    """
    service.answer = lambda asked: Response(report(reason=0x0111, failed="1.2.3"), 409, media_type=JSON)

    with pytest.raises(DeliveryRefused, match="does not list the object as stored"):
        sender_to(service.destination()).send(files)


def test_a_service_that_stumbles_does_not_hide_a_refusal(service, files):
    """
    Status 500 is tried again; what was refused beside it is said as well.
    """
    service.answer = lambda asked: Response(status_code=500 if len(service.asked) == 1 else 415)

    with pytest.raises(PeerUnavailable, match=r"500 to SEG\.dcm, and refused SR\.dcm: HTTP status 415"):
        sender_to(service.destination()).send(files)


@pytest.mark.parametrize("warning", [0xB000, 0xB006, 0xB007])
def test_a_warning_is_stored(service, files, warning):
    """
    202 with a Warning Reason: stored all the same.
    """
    service.answer = lambda asked: Response(
        report(stored=asked.uid, warning=warning), 202, media_type="application/dicom+json; charset=utf-8"
    )

    sender_to(service.destination()).send(files)


@pytest.mark.parametrize(
    "answer",
    [
        Response(status_code=200),
        Response("<html>Sign in</html>", media_type="text/html"),
        Response("<html>Sign in</html>", media_type=JSON),
        Response("[" * 60000, media_type=JSON),
        Response("{}", media_type=JSON),
        Response(report(stored="1.2.3"), media_type=JSON),
        Response(status_code=204),
    ],
)
def test_what_does_not_say_that_it_stored_the_object_did_not(service, files, answer):
    """
    A sign-in page with status 200 is no archive.
    """
    service.answer = lambda asked: answer

    with pytest.raises(DeliveryRefused, match=r"SEG\.dcm: .*SR\.dcm: "):
        sender_to(service.destination()).send(files)


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_an_object_that_is_refused_does_not_keep_the_others_back(service, files, status):
    """
    Nothing is gained by sending the same bytes again, and nothing lost by sending the other object.
    """
    service.answer = lambda asked: Response(status_code=status) if len(service.asked) == 1 else stored(asked)

    with pytest.raises(DeliveryRefused, match=f"refused SEG.dcm: HTTP status {status}"):
        sender_to(service.destination()).send(files)
    assert len(service.asked) == 2


def test_an_object_that_a_service_stumbles_over_does_not_keep_the_others_back(service, files):
    """
    A service without a handler for SEG may answer 500 for days; the report goes out at once.
    """
    service.answer = lambda asked: Response(status_code=500) if len(service.asked) == 1 else stored(asked)

    with pytest.raises(PeerUnavailable, match=r"status 500 to SEG\.dcm;"):
        sender_to(service.destination()).send(files)
    assert len(service.asked) == 2


@pytest.mark.parametrize(("status", "cure"), [(403, "may do"), (404, "check url"), (501, "check url")])
def test_a_service_that_refuses_us_is_final_and_is_asked_once(service, files, status, cure):
    """
    It may be this study that is forbidden: the others are not to wait.
    """
    service.answer = lambda asked: Response("Jane Doe", status)

    with pytest.raises(DeliveryRefused, match=cure) as caught:
        sender_to(service.destination()).send(files)
    assert len(service.asked) == 1
    assert "Jane" not in str(caught.value)


def test_results_wait_for_a_service_that_does_not_let_us_in(service, files):
    """
    A token expires at the weekend: nothing is lost. The service is asked every 15 minutes, until it is mended.
    """
    service.answer = lambda asked: Response("Jane Doe", 401)
    passed = 0.0
    sender = sender_to(service.destination(), clock=lambda: passed)

    with pytest.raises(PeerUnavailable, match="password_file") as caught:
        sender.send(files)
    passed = 890.0
    with pytest.raises(PeerUnavailable, match=r"password_file.*next attempt is not before 10 s"):
        sender.send(files)
    assert len(service.asked) == 1
    assert "Jane" not in str(caught.value)

    service.answer = stored
    passed = 901.0
    sender.send(files)
    assert len(service.asked) == 3


def test_a_wrong_password_is_sent_once_however_many_deliveries_wait(service, files):
    """
    Eight at once would lock the account.
    """
    service.answer = lambda asked: time.sleep(0.2) or Response(status_code=401)
    sender = sender_to(service.destination())

    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(sender.send, files) for _ in range(8)]
    failed = [future.exception() for future in sent]
    assert {type(error) for error in failed} == {PeerUnavailable}
    assert len(service.asked) == 1


def test_a_service_that_is_busy_too_is_left_alone_no_shorter(service, files):
    """
    After 401 its 503 without Retry-After does not end the pause.
    """
    passed = 0.0
    sender = sender_to(service.destination(), clock=lambda: passed)
    service.answer = lambda asked: Response(status_code=401)
    with pytest.raises(PeerUnavailable):
        sender.send(files)
    service.answer = lambda asked: Response(status_code=503)
    with pytest.raises(PeerUnavailable, match="503"):
        sender.echo()

    with pytest.raises(PeerUnavailable, match="next attempt is not before"):
        sender.send(files)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(service, files, status):
    """
    Results and secrets go to the address of the configuration alone; after a 303 they would not go at all.
    """
    service.answer = lambda asked: RedirectResponse("/elsewhere", status)

    with pytest.raises(PeerUnavailable, match="set url"):
        sender_to(service.destination()).send(files)
    assert [asked.path for asked in service.asked] == ["/dicom-web/studies"]


def test_a_pause_that_is_asked_for_is_kept(service, files):
    """
    503 with Retry-After: until then the service is not asked again.
    """
    service.answer = lambda asked: Response(status_code=503, headers={"Retry-After": "600"})
    sender = sender_to(service.destination())
    with pytest.raises(PeerUnavailable, match="503"):
        sender.send(files)

    with pytest.raises(PeerUnavailable, match="next attempt is not before"):
        sender.send(files)
    assert len(service.asked) == 1


@pytest.mark.parametrize("pause", ["-1", "Wed, 21 Oct 2037 07:28:00 GMT", "\u00b2"])
def test_a_pause_that_is_no_number_is_not_kept(service, files, pause):
    """
    The queue's own backoff does for it.
    """
    service.answer = lambda asked: Response(status_code=503, headers={"Retry-After": pause})
    sender = sender_to(service.destination())

    for _ in range(2):
        with pytest.raises(PeerUnavailable, match="503"):
            sender.send(files)
    assert len(service.asked) == 2


def test_a_closed_port_is_unavailable(files):
    """
    A destination that is not there may come back.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    gone = WebDestination(name="gone", protocol="dicomweb", url=f"http://127.0.0.1:{port}")

    with pytest.raises(PeerUnavailable, match="check that it runs"):
        sender_to(gone).send(files)


@contextmanager
def speaking(*parts: bytes) -> Iterator[WebDestination]:
    """A service that says *parts*, one after the other, to one connection, and no more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = threading.Event()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                for part in parts:
                    connection.sendall(part)
                    if gone.wait(0.05):
                        return
                gone.wait(60)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            yield WebDestination(name="odd", protocol="dicomweb", url=url)
        finally:
            gone.set()
            thread.join(30)


def test_a_service_that_never_answers_is_given_up_in_time(files):
    """
    A peer that takes the connection and says nothing costs one time limit.
    """
    with speaking() as mute, pytest.raises(PeerUnavailable, match=r"did not respond in 0\.3 s"):
        sender_to(mute, answer_seconds=0.3).send(files)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\nContent-Length: %d\r\n\r\n"


def test_a_service_that_trickles_is_given_up_in_time(files):
    """
    Bytes that come one by one, each within the limit, do not hold a delivery for ever.
    """
    with (
        speaking(HEAD % 1000, *[b" "] * 1000) as slow,
        pytest.raises(PeerUnavailable, match="does not end its response"),
    ):
        sender_to(slow, answer_seconds=0.4).send(files)


def test_an_answer_that_has_no_end_is_not_read_to_it(files):
    """
    Nobody fills our memory.
    """
    with (
        speaking(HEAD % (1 << 30), b" " * (1 << 17)) as endless,
        pytest.raises(PeerUnavailable, match="does not end its response"),
    ):
        sender_to(endless, answer_seconds=30).send(files)


@pytest.mark.parametrize("words", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9"])
def test_a_peer_that_does_not_speak_http_is_unavailable(files, words):
    """
    Another service on the port, or one that is just starting.
    """
    with speaking(words) as odd, pytest.raises(PeerUnavailable):
        sender_to(odd, answer_seconds=0.5).send(files)


def test_the_environment_changes_nothing(service, files, monkeypatch, tmp_path):
    """
    No proxy, no password of somebody's .netrc.
    """
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(saved(tmp_path, "netrc", "machine 127.0.0.1 login me password hunter2")))
    sender_to(service.destination()).send(files)

    assert all("authorization" not in asked.headers for asked in service.asked)


def test_a_user_shows_the_password_of_the_file(service, files, tmp_path):
    """
    Basic authentication, in UTF-8; the line's end does not belong to it.
    """
    password = saved(tmp_path, "password", "pässwörd\n")
    sender_to(service.destination(username="me", password_file=password)).send(files)

    expected = "Basic " + base64.b64encode("me:pässwörd".encode()).decode()
    assert {asked.headers["authorization"] for asked in service.asked} == {expected}


def test_a_token_is_read_anew_at_each_delivery(service, files, tmp_path):
    """
    Tokens are replaced while the node runs; one that is just being replaced is worth another attempt.
    """
    token = saved(tmp_path, "token", "one")
    sender = sender_to(service.destination(token_file=token))
    sender.send(files[:1])
    saved(tmp_path, "token", "")
    with pytest.raises(PeerUnavailable, match="must have one line"):
        sender.send(files[:1])
    saved(tmp_path, "token", "geheim€")
    with pytest.raises(PeerUnavailable, match="not ASCII"):
        sender.send(files[:1])
    saved(tmp_path, "token", "two\n")
    sender.send(files[:1])

    assert [asked.headers["authorization"] for asked in service.asked] == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize("content", [None, "", "one\ntwo\n", "one\x00"])
def test_a_secret_that_cannot_be_used_stops_the_start(tmp_path, content):
    """
    The message names the file, and never what is in it.
    """
    file = tmp_path / "token" if content is None else saved(tmp_path, "token", content)
    peer = {"name": "web", "protocol": "dicomweb", "url": "https://pacs.example", "token_file": file}

    with pytest.raises(ConfigError, match=str(file)) as caught:
        senders(Config.internal(destination=[peer]))
    assert "one\n" not in str(caught.value)


def test_a_secret_that_others_can_read_stops_the_start(tmp_path):
    """
    A password of mode 0666 is nobody's secret. The message has the command that mends it.
    """
    file = saved(tmp_path, "password", "geheim")
    file.chmod(0o666)
    peer = {"name": "web", "protocol": "dicomweb", "url": "https://pacs.example"}

    with pytest.raises(ConfigError, match=f"chmod 600 {file}"):
        senders(Config.internal(destination=[{**peer, "username": "me", "password_file": file}]))


def test_each_destination_gets_the_sender_of_its_protocol(archive, service):
    """
    Both have the same promises.
    """
    peers = [archive.destination.model_dump(), service.destination().model_dump()]
    found = senders(Config.internal(destination=peers))

    assert {name: type(one) for name, one in found.items()} == {"archive": DimseSender, "web": WebSender}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


@pytest.fixture(scope="module")
def tls(certificate: tuple[Path, Path]) -> Iterator[Service]:
    with running_service(ssl_certfile=certificate[0], ssl_keyfile=certificate[1]) as service:
        yield service


def test_a_service_of_the_hospitals_authority_is_trusted(tls, files, certificate):
    """
    ca_file is all that it takes.
    """
    tls.answer = stored
    sender_to(tls.destination(ca_file=certificate[0])).send(files)

    assert [asked.part for asked in tls.asked] == [file.read_bytes() for file in files]


def test_nothing_is_sent_where_the_certificate_is_not_trusted(tls, files):
    """
    An expired one is renewed, and the results have waited.
    """
    tls.asked.clear()

    with pytest.raises(PeerUnavailable, match=r"certificate .*self-signed.*ca_file"):
        sender_to(tls.destination()).send(files)
    assert tls.asked == []


def test_nothing_is_sent_where_the_certificate_is_of_another_name(tls, files, certificate):
    """
    Somebody else's service at that address.
    """
    url = f"https://localhost:{tls.port}"

    with pytest.raises(PeerUnavailable, match=r"certificate .*[Hh]ostname"):
        sender_to(tls.destination(url=url, ca_file=certificate[0])).send(files)


def test_a_handshake_that_breaks_off_is_worth_another_attempt(service, files):
    """
    A balancer that is just starting, or a port without TLS.
    """
    url = f"https://127.0.0.1:{service.port}"

    with pytest.raises(PeerUnavailable, match="TLS"):
        sender_to(service.destination(url=url)).send(files)


def test_authorities_that_are_gone_for_a_while_are_worth_another_attempt(tls, files, certificate):
    """
    Their file is replaced while we run; the message names it, and not the service.
    """
    authorities, _ = certificate
    sender = sender_to(tls.destination(ca_file=authorities))
    kept = authorities.read_bytes()
    authorities.unlink()
    try:
        with pytest.raises(PeerUnavailable, match="name a PEM file as ca_file"):
            sender.send(files)
    finally:
        authorities.write_bytes(kept)
    sender.send(files)


def test_authorities_that_cannot_be_read_stop_the_start(tmp_path):
    """
    A file that is not there, and one that has no certificate.
    """
    empty = saved(tmp_path, "empty.pem", "nothing")

    for file in (empty, tmp_path / "absent.pem"):
        peer = WebDestination(name="web", protocol="dicomweb", url="https://pacs.example", ca_file=file)
        with pytest.raises(ConfigError, match=file.name):
            sender_to(peer)


def test_an_echo_says_that_a_service_is_there(service):
    """
    `sgseg-node echo` before going live; the query names a study that no patient has.
    """
    sender_to(service.destination()).echo()

    assert [(asked.method, asked.path) for asked in service.asked] == [
        ("GET", "/dicom-web/studies?StudyInstanceUID=1.2.840.10008.1.1&limit=1")
    ]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Response("<html>Welcome</html>", media_type="text/html"), DeliveryRefused),
        (Response(status_code=401), PeerUnavailable),
        (Response(status_code=409), DeliveryRefused),
        (Response(status_code=503), PeerUnavailable),
        (RedirectResponse("/login"), PeerUnavailable),
    ],
)
def test_an_echo_tells_a_service_that_is_none_or_does_not_know_us(service, answer, error):
    """
    As a delivery would.
    """
    service.answer = lambda asked: answer

    with pytest.raises(error, match="web"):
        sender_to(service.destination()).echo()
