"""The receiver over TLS, by DCMTK, pynetdicom and bare sockets: who comes in, and what is said of who does not."""

import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification
from structlog.testing import capture_logs

from node.receive.listener import Listener
from node.service.supervisor import CANNOT_START
from node.tls.certificates import Certificates
from node.tls.own_receiver import own_context
from node.tls.profile import Files, client_context, server_context
from sgseg_dicom.config import Config, Receive
from sgseg_dicom.errors import ConfigError
from sgseg_dicom.senders import Sender
from tests.node import raw_peer
from tests.node.processes import RECEIVE, half
from tests.node.raw_peer import connect, echo_message, play, read_pdu, request, store_message
from tests.node.receive.conftest import Open
from tests.node.receive.test_odd_peers import image
from tests.support.builders import chest_radiograph, write
from tests.support.certificates import Certificate, Site, authority, certificate

STORESCU, ECHOSCU = Path("/usr/bin/storescu"), Path("/usr/bin/echoscu")
dcmtk = pytest.mark.skipif(not STORESCU.exists(), reason="needs DCMTK (Debian package dcmtk)")
GOOD = ["accepted", "0x0000", "released"]
Secure = Callable[[ssl.SSLContext], None]


@pytest.fixture
def secure(monkeypatch: pytest.MonkeyPatch) -> Secure:
    """Give a function that lets raw peers speak TLS."""

    def with_context(context: ssl.SSLContext) -> None:
        monkeypatch.setattr(
            raw_peer, "secured", lambda peer: context.wrap_socket(peer, server_hostname="127.0.0.1")
        )

    return with_context


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with capture_logs() as captured:
        yield captured


def detail_of(lines: list[Any], event: str = "association_aborted") -> str:
    """Wait for one line of an event, and give its detail."""
    until = time.monotonic() + 20
    while not (found := [line for line in lines if line["event"] == event]):
        assert time.monotonic() < until, lines
        time.sleep(0.02)
    return str(found[0]["detail"])


def answer(listener: Listener) -> str:
    """Ask for an association and say what comes: the answer, or that the connection broke."""
    try:
        return play(listener.port, request(), echo_message(), answers=1)[0]
    except OSError:
        return "broken"


@dcmtk
@pytest.mark.parametrize("kind", ["ec", "rsa"])
@pytest.mark.parametrize("profile", ["--profile-bcp195-nd", "--profile-bcp195", "--profile-bcp195-ex"])
def test_dcmtk_stores_an_image(
    open_receiver: Open, site: Site, tmp_path: Path, kind: str, profile: str
) -> None:
    """With client certificates, and by each profile that DCMTK has for BCP 195."""
    node = certificate(tmp_path, site.authority, "node", kind=kind)
    files = {"certificate_file": str(node.certificate), "key_file": str(node.key)}
    listener = open_receiver(**{**site.strict, **files})
    file = write(chest_radiograph(), tmp_path / "a.dcm")
    shown = ["+tls", str(site.modality.key), str(site.modality.certificate)]
    known = ["+cf", str(site.authority.certificate), profile]

    sent = subprocess.run(
        [STORESCU, *shown, *known, "-aec", "SGSEG", "127.0.0.1", str(listener.port), str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert sent.returncode == 0, sent.stderr


@dcmtk
def test_dcmtk_echoes_without_a_certificate_where_none_is_asked_for(open_receiver: Open, site: Site) -> None:
    """Anonymous TLS: the sender checks us, and we do not check the sender."""
    listener = open_receiver(**site.settings)
    command = [
        ECHOSCU,
        "+tla",
        "+cf",
        site.authority.certificate,
        "-aec",
        "SGSEG",
        "127.0.0.1",
        str(listener.port),
    ]

    assert subprocess.run(command, timeout=60, check=False).returncode == 0


def test_pynetdicom_echoes(open_receiver: Open, site: Site) -> None:
    """With the certificate of a modality."""
    listener = open_receiver(**site.strict)
    association = AE("TESTER").associate(
        "127.0.0.1",
        listener.port,
        [build_context(Verification)],
        ae_title="SGSEG",
        tls_args=(site.client(site.modality), "localhost"),
    )
    status = association.send_c_echo()
    association.release()

    assert status.Status == 0


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_image_of_many_records_comes_whole(
    open_receiver: Open, site: Site, secure: Secure, version: ssl.TLSVersion
) -> None:
    """What TLS has in its buffer is read, though the socket has nothing more."""
    context = site.client(site.modality)
    context.minimum_version = context.maximum_version = version
    secure(context)
    uid, data = image()
    messages = [*store_message(uid, data), *store_message(uid, data, message=2)]

    assert play(open_receiver(**site.strict).port, request(), messages, answers=2) == [
        "accepted",
        "0x0000",
        "0x0000",
        "released",
    ]


@pytest.fixture
def strangers(site: Site, tmp_path: Path) -> dict[str, Certificate | None]:
    """Give certificates that are not in order."""
    other = authority(tmp_path, "other authority")
    return {
        "none": None,
        "expired": certificate(tmp_path, site.authority, "old modality", days=-1),
        "of another authority": certificate(tmp_path, other, "stranger"),
        "signed by itself": other,
    }


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("none", "it shows no certificate, and [receive] client_ca_file asks for one"),
        ("expired", "its certificate has expired"),
        ("of another authority", "its certificate is of an authority that we do not know"),
        ("signed by itself", "nobody that we trust signed its certificate"),
    ],
)
def test_who_shows_no_good_certificate_is_turned_away_with_the_cause(
    open_receiver: Open,
    site: Site,
    strangers: dict[str, Certificate | None],
    lines: list[Any],
    secure: Secure,
    shown: str,
    expected: str,
    version: ssl.TLSVersion,
) -> None:
    """The peer gets an alert of TLS and no association, the log the cause and the cure; a good one gets in."""
    context = site.client(strangers[shown])
    context.minimum_version = context.maximum_version = version
    listener = open_receiver(**site.strict)
    secure(context)

    assert answer(listener) == "broken"
    assert expected in detail_of(lines)
    secure(site.client(site.modality))
    assert play(listener.port, request(), echo_message(), answers=1) == GOOD


@pytest.mark.parametrize(
    ("senders", "asked", "expected"),
    [
        ((Sender(name="a", calling_ae_titles=("MODALITY",)),), request(), "1/1/3"),
        ((Sender(name="a", networks=("10.0.0.0/8",)),), request(), "1/1/1"),
        ((), request(called=b"OTHER".ljust(16)), "1/1/7"),
    ],
    ids=["unknown AE title", "unknown network", "unknown called AE title"],
)
def test_a_good_certificate_is_not_enough(
    open_receiver: Open,
    site: Site,
    lines: list[Any],
    secure: Secure,
    senders: tuple[Sender, ...],
    asked: bytes,
    expected: str,
) -> None:
    """The rules for network and titles hold under TLS; the log has the certificate's fingerprint, not its subject."""
    listener = open_receiver(senders, **site.strict)
    secure(site.client(site.modality))

    assert play(listener.port, asked) == ["rejected"]
    assert expected in detail_of(lines, "association_rejected")
    (line,) = [line for line in lines if line["event"] == "association_rejected"]
    fingerprint = subprocess.run(
        ["openssl", "x509", "-in", site.modality.certificate, "-noout", "-fingerprint", "-sha256"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert (
        line["certificate"].removeprefix("sha256:").upper()
        == fingerprint.split("=")[1].replace(":", "").strip()
    )
    assert "CN=" not in str(line)


def test_dicom_without_tls_is_told_from_tls(open_receiver: Open, site: Site, lines: list[Any]) -> None:
    """The sender's association is aborted at once, and the log says what to turn on."""
    assert answer(open_receiver(**site.settings)) == "aborted"
    assert "it speaks without TLS" in detail_of(lines)
    assert [line["peer"] for line in lines if line["event"] == "association_aborted"] == ["ODD"]


def test_tls_at_a_port_without_is_told(
    open_receiver: Open, site: Site, lines: list[Any], secure: Secure
) -> None:
    """The other way round."""
    secure(site.client())

    assert answer(open_receiver()) == "broken"
    assert "it speaks TLS, and this port does not" in detail_of(lines)


@pytest.mark.parametrize(
    ("limit", "ciphers"),
    [
        (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_2, "AES128-SHA:AES256-SHA:ECDHE+AES+SHA"),
    ],
    ids=["TLS 1.1", "CBC"],
)
def test_what_bcp_195_forbids_is_refused(
    open_receiver: Open,
    site: Site,
    lines: list[Any],
    secure: Secure,
    limit: ssl.TLSVersion,
    ciphers: str,
) -> None:
    """RFC 9325 3.1 and 4.1: no version before 1.2, no cipher without forward secrecy and authentication."""
    context = site.client()
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = limit
    context.set_ciphers(ciphers)
    secure(context)

    assert answer(open_receiver(**site.settings)) == "broken"
    assert "no TLS version or cipher in common" in detail_of(lines)


def hello(site: Site) -> bytes:
    """Give the first message of a TLS client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = site.client().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize(
    "sent", [0, 1, 40, None], ids=["nothing", "a byte", "a part", "all of the first message"]
)
def test_handshakes_that_never_end_keep_nobody_out(
    open_receiver: Open, site: Site, secure: Secure, sent: int | None
) -> None:
    """40 of them stay open: who does the whole handshake is served, from the same address and from another."""
    listener = open_receiver(opening_seconds=600.0, **site.settings)
    opened = []
    for _ in range(40):
        peer = connect(listener.port)
        peer.sendall(hello(site)[:sent])
        opened.append(peer)
    secure(site.client())

    for source in ("127.0.0.1", "127.0.0.2"):
        assert play(listener.port, request(), echo_message(), answers=1, source=source) == GOOD
    for peer in opened:
        peer.close()


def test_a_handshake_must_end_in_time(open_receiver: Open, site: Site, lines: list[Any]) -> None:
    """Handshake and request together have [receive] opening_seconds."""
    listener = open_receiver(opening_seconds=0.5, **site.settings)
    with connect(listener.port, 20) as peer:
        peer.sendall(hello(site))
        while peer.recv(4096):
            pass

    assert "was not whole within 0.5 s" in detail_of(lines)


def test_new_certificates_are_read_when_their_files_change(
    open_receiver: Open, site: Site, lines: list[Any], tmp_path: Path, secure: Secure
) -> None:
    """No restart; a peer that knows the new authority alone gets in, and open associations go on."""
    old, files = certificate(tmp_path, site.authority, "own"), tmp_path / "own.pem"
    listener = open_receiver(certificate_file=str(files), key_file=str(old.key))
    secure(site.client())
    assert play(listener.port, request(), echo_message(), answers=1) == GOOD
    new_authority = authority(tmp_path, "new authority")
    new_peer = ssl.create_default_context(cafile=new_authority.certificate)

    certificate(tmp_path, new_authority, "own")
    secure(new_peer)

    assert play(listener.port, request(), echo_message(), answers=1) == GOOD
    assert [line["event"] for line in lines if line["event"].startswith("certificates_")] == [
        "certificates_read"
    ]


def test_new_files_that_cannot_be_used_change_nothing(
    open_receiver: Open, site: Site, lines: list[Any], tmp_path: Path, secure: Secure
) -> None:
    """A key that does not belong to its certificate, or a file that is gone: one line, and the old ones go on."""
    own = certificate(tmp_path, site.authority, "own")
    listener = open_receiver(certificate_file=str(own.certificate), key_file=str(own.key))
    secure(site.client())
    other = certificate(tmp_path, site.authority, "other")
    own.key.write_bytes(other.key.read_bytes())
    answers = [play(listener.port, request(), echo_message(), answers=1) for _ in range(2)]
    own.certificate.unlink()
    answers += [play(listener.port, request(), echo_message(), answers=1) for _ in range(2)]

    assert answers == [GOOD] * 4
    details = [line["detail"] for line in lines if line["event"] == "certificates_unusable"]
    assert len(details) == 2
    assert "does not belong to the certificate" in details[0]
    assert "cannot be read" in details[1]


def test_the_end_of_our_certificate_is_announced_once_a_day(
    site: Site, tmp_path: Path, lines: list[Any]
) -> None:
    """From 30 days before, and after it, too."""
    own = certificate(tmp_path, site.authority, "own", days=40)
    now = time.time()
    files = Files(certificate=own.certificate, key=own.key)
    certificates = Certificates(files, server_context, clock=lambda: now)
    for day in (0, 9, 11, 11.5, 12.1, 41):
        now = time.time() + day * 86400
        certificates.context()

    ends = [line["days"] for line in lines if line["event"] == "certificate_ends"]
    assert ends == [28, 27, -1]


def test_a_key_that_everybody_can_read_is_named(site: Site, tmp_path: Path, lines: list[Any]) -> None:
    """It is used, and the log says what to do."""
    own = certificate(tmp_path, site.authority, "own")
    own.key.chmod(0o644)
    Certificates(Files(certificate=own.certificate, key=own.key), server_context)

    assert [line["file"] for line in lines if line["event"] == "key_unprotected"] == [str(own.key)]


def test_one_file_may_have_both(site: Site) -> None:
    """Certificate and key, in any order."""
    assert server_context(Files(certificate=site.node.both))


def encrypted(own: Certificate) -> Files:
    """Give the key a password."""
    file = own.key.with_name("encrypted.key")
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-in", own.key, "-out", file, "-passout", "pass:secret"],
        check=True,
        capture_output=True,
    )
    return Files(certificate=own.certificate, key=file)


def der(own: Certificate) -> Files:
    """Write the certificate in the other form."""
    file = own.key.with_name("own.der")
    file.write_bytes(ssl.PEM_cert_to_DER_cert(own.certificate.read_text()))
    return Files(certificate=file, key=own.key)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (encrypted, "is encrypted"),
        (der, "is no PEM file"),
        (lambda own: Files(certificate=own.certificate, key=own.key.with_name("none")), "cannot be read"),
        (lambda own: Files(certificate=own.key, key=own.key), "has no certificate"),
        (lambda own: Files(certificate=own.certificate, key=own.certificate), "cannot be used"),
        (
            lambda own: Files(certificate=own.certificate, key=own.key, authorities=own.key),
            "has no certificates of authorities",
        ),
    ],
    ids=[
        "encrypted key",
        "DER",
        "no such file",
        "key as certificate",
        "certificate as key",
        "key as authority",
    ],
)
def test_files_that_cannot_be_used_stop_the_start(
    site: Site, tmp_path: Path, spoil: Callable[[Certificate], Files], expected: str
) -> None:
    """The message names the file, the cause and the cure; nobody is asked for a password."""
    own = certificate(tmp_path, site.authority, "own")

    with pytest.raises(ConfigError, match=expected):
        server_context(spoil(own))
    with pytest.raises(ConfigError, match=expected):
        client_context(spoil(own), check_name=True)


def test_a_peer_of_tls_reads_why_it_was_turned_away(open_receiver: Open, site: Site, secure: Secure) -> None:
    """An A-ABORT comes through TLS, which then ends in order (RFC 8446 6.1)."""
    secure(site.client())
    with connect(open_receiver(**site.settings).port, 20) as peer:
        peer.sendall(b"GET / HTTP/1.0\r\n\r\n")

        assert read_pdu(peer) == (7, bytes((0, 0, 2, 1)))
        assert peer.recv(1) == b""
        assert isinstance(peer, socket.socket)


@dcmtk
def test_the_receivers_process_speaks_tls(
    configure: Callable[..., Config], site: Site, tmp_path: Path
) -> None:
    """As its supervisor starts it: its settings name the files."""
    config = configure(receive={"port": 0, **site.strict})
    file = write(chest_radiograph(), tmp_path / "a.dcm")
    shown = ["+tls", str(site.modality.key), str(site.modality.certificate)]
    with half(RECEIVE, config, tmp_path) as receiver:
        peer = ["127.0.0.1", str(receiver.ready["port"])]
        command = [STORESCU, *shown, "+cf", str(site.authority.certificate), "-aec", "SGSEG", *peer, file]
        sent = subprocess.run(command, timeout=60, check=False)

        assert sent.returncode == 0
        assert len(receiver.events("received")) == 1


def test_the_receiver_does_not_start_without_its_certificate(
    configure: Callable[..., Config], tmp_path: Path
) -> None:
    """It never takes plain connections instead."""
    config = configure(receive={"port": 0, "certificate_file": str(tmp_path / "none.pem")})
    with half(RECEIVE, config, tmp_path, wait=False) as receiver:
        assert receiver.process.wait(60) == CANNOT_START

    assert "none.pem cannot be read" in receiver.log.read_text()


def test_the_node_reaches_its_own_receiver(
    open_receiver: Open, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though its certificate is of an authority that senders may not have; another one of that is turned away."""
    public = authority(tmp_path, "public")
    own, other = (certificate(tmp_path, public, name) for name in ("own", "other"))
    own.certificate.write_bytes(own.certificate.read_bytes() + public.certificate.read_bytes())
    files = {"certificate_file": str(own.certificate), "key_file": str(own.key)}
    listener = open_receiver(**files, client_ca_file=str(site.authority.certificate))
    contexts = [own_context(listener.settings), site.client(other)]
    contexts[1].check_hostname, contexts[1].verify_mode = False, ssl.CERT_NONE  # type: ignore[union-attr]
    answers = []
    for context in contexts:
        assert context is not None
        monkeypatch.setattr(raw_peer, "secured", context.wrap_socket)
        answers.append(answer(listener))

    assert answers == ["accepted", "broken"]


def test_a_receiver_without_tls_is_reached_without() -> None:
    """There is no context then."""
    assert own_context(Receive()) is None
