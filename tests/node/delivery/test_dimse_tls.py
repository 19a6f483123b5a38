"""Results go out over TLS, and what fails there is named with its cure: DCMTK and pynetdicom as destinations."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import BaseServer

import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    SegmentationStorage,
    Verification,
)
from pynetdicom.transport import ThreadedAssociationServer

from node.delivery.dimse import DimseSender
from sgseg_dicom.config import Destination
from sgseg_dicom.errors import ConfigError, PeerUnavailable
from tests.node.stand_in import results_of
from tests.support.builders import chest_radiograph
from tests.support.certificates import Certificate, Site, authority, certificate

STORESCP = Path("/usr/bin/storescp")
dcmtk = pytest.mark.skipif(not STORESCP.exists(), reason="needs DCMTK (Debian package dcmtk)")
CLASSES = (
    Verification,
    SegmentationStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    BasicTextSRStorage,
)
VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


def sender_to(port: int, *, connect_seconds: float = 5.0, **settings: object) -> DimseSender:
    """Give the sender to a destination on this machine."""
    given = {"name": "archive", "ae_title": "ARCHIVE", "host": "127.0.0.1", "port": port, "tls": True}
    return DimseSender(
        Destination.model_validate({**given, **settings}),
        calling_ae_title="SGSEG",
        connect_seconds=connect_seconds,
        answer_seconds=5.0,
    )


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Give a SEG and an SR, as the store keeps them."""
    paths = []
    for ds in results_of(chest_radiograph()).objects:
        paths.append(tmp_path / f"{ds.Modality}.dcm")
        ds.save_as(paths[-1], enforce_file_format=True)
    return paths


@contextmanager
def archive_with(context: ssl.SSLContext | None) -> Iterator[tuple[int, list[str]]]:
    """Run pynetdicom as an archive; give its port, and the UIDs that it gets."""
    got: list[str] = []

    def on_store(event: evt.Event) -> int:
        got.append(str(event.request.AffectedSOPInstanceUID))  # type: ignore[union-attr]
        return 0

    ae = AE("ARCHIVE")
    for sop_class in CLASSES:
        ae.add_supported_context(sop_class)
    server = ae.make_server(
        ("127.0.0.1", 0),
        evt_handlers=[(evt.EVT_C_STORE, on_store)],
        ssl_context=context,
        server_class=ThreadedAssociationServer,
    )
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_address[1], got
    BaseServer.shutdown(server)
    server.server_close()


def served(shown: Certificate, *, asks: Certificate | None = None) -> ssl.SSLContext:
    """Give the context of an archive; *asks*: whose certificates its senders must show."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(asks.certificate)
    return context


def own(site: Site) -> dict[str, str]:
    """Keys of [[destination]]: our certificate, and whom we trust."""
    return {
        "ca_file": str(site.authority.certificate),
        "certificate_file": str(site.node.certificate),
        "key_file": str(site.node.key),
    }


@dcmtk
@pytest.mark.parametrize("profile", ["--profile-bcp195-nd", "--profile-bcp195-ex"])
def test_dcmtk_gets_the_results(site: Site, files: list[Path], tmp_path: Path, profile: str) -> None:
    """It shows a certificate, and asks for ours."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder, server = tmp_path / "got", certificate(tmp_path, site.authority, "archive", kind="rsa")
    folder.mkdir()
    command = [STORESCP, "+tls", server.key, server.certificate, "+cf", site.authority.certificate, profile]
    with subprocess.Popen([*command, "-od", str(folder), str(port)]) as process:
        sender, until = sender_to(port, **own(site)), time.monotonic() + 20
        while time.monotonic() < until:
            try:
                sender.echo()
                break
            except PeerUnavailable:
                time.sleep(0.1)
        sender.send(files)
        process.terminate()

    assert len(list(folder.iterdir())) == len(files)


@VERSIONS
def test_results_arrive(site: Site, files: list[Path], version: ssl.TLSVersion) -> None:
    """With certificates on both sides."""
    context = served(site.modality, asks=site.authority)
    context.maximum_version = version
    with archive_with(context) as (port, got):
        sender_to(port, **own(site)).send(files)

    assert len(got) == len(files)


def error_of(sender: DimseSender) -> str:
    """Try a C-ECHO in vain; give what is said."""
    with pytest.raises(PeerUnavailable) as caught:
        sender.echo()
    return str(caught.value)


@pytest.fixture
def bad(site: Site, tmp_path: Path) -> dict[str, Certificate]:
    """Give certificates of archives that are not in order."""
    stranger = authority(tmp_path, "stranger")
    return {
        "expired": certificate(tmp_path, site.authority, "old", days=-1),
        "unknown": certificate(tmp_path, stranger, "unknown"),
        "self-signed": stranger,
        "wrong name": certificate(tmp_path, site.authority, "named", names="DNS:archive.example"),
    }


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("expired", "its certificate has expired; give it a new one"),
        ("unknown", "its certificate is of an authority that we do not know; put that into ca_file"),
        ("self-signed", "nobody that we trust signed its certificate; put its authority into ca_file"),
        ("wrong name", "its certificate has another name; set host, or tls_host_name"),
    ],
)
def test_a_certificate_that_is_not_in_order_is_named(
    site: Site, bad: dict[str, Certificate], shown: str, expected: str
) -> None:
    """The destination counts as down: it works again when the certificate is right."""
    with archive_with(served(bad[shown])) as (port, _):
        assert expected in error_of(sender_to(port, ca_file=str(site.authority.certificate)))


@pytest.mark.parametrize("name", ["archive.example", ""], ids=["its name", "any name"])
def test_another_name_may_be_set(site: Site, bad: dict[str, Certificate], name: str) -> None:
    """For a destination that is called by its address, say."""
    with archive_with(served(bad["wrong name"])) as (port, _):
        sender_to(port, ca_file=str(site.authority.certificate), tls_host_name=name).echo()


@VERSIONS
def test_a_destination_that_wants_a_certificate_of_ours_is_told_from_others(
    site: Site, version: ssl.TLSVersion
) -> None:
    """With TLS 1.3 its refusal comes after the handshake."""
    context = served(site.modality, asks=site.authority)
    context.maximum_version = version
    with archive_with(context) as (port, _):
        said = error_of(sender_to(port, ca_file=str(site.authority.certificate)))

    assert "it wants a certificate of ours; set certificate_file and key_file" in said


@VERSIONS
def test_a_destination_that_does_not_know_our_authority_says_so(
    site: Site, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """The cure is on its side."""
    context = served(site.modality, asks=authority(tmp_path, "other"))
    context.maximum_version = version
    with archive_with(context) as (port, _):
        said = error_of(sender_to(port, **own(site)))

    assert "it does not know the authority of our certificate" in said


def test_a_destination_without_tls_is_told(site: Site) -> None:
    """Or that it hung up, where it does so instead of answering."""
    with archive_with(None) as (port, _):
        said = error_of(sender_to(port, **own(site)))

    assert (
        "does not come to terms with us over TLS: what it sends is no TLS; turn TLS on at the other side"
        in said
    )


def test_a_destination_with_tls_is_told_from_one_without(site: Site) -> None:
    """The other way round; OpenSSL hangs up, where others send an alert (RFC 8446 6)."""
    with archive_with(served(site.modality)) as (port, _):
        hung_up = error_of(sender_to(port, tls=False))
    with socket.create_server(("127.0.0.1", 0)) as server:

        def send_alert() -> None:
            with server.accept()[0] as peer:
                peer.recv(6)
                peer.sendall(b"\x15\x03\x01\x00\x02\x02\x46")
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(4096):
                    pass

        thread = threading.Thread(target=send_alert)
        thread.start()
        alerted = error_of(sender_to(server.getsockname()[1], tls=False))
        thread.join()

    assert "speaks TLS at this port; set tls = true" in alerted
    assert (
        "check that a DICOM service without TLS listens at this port; if it has TLS, set tls = true"
        in hung_up
    )


def test_a_destination_with_old_tls_is_named(site: Site) -> None:
    """RFC 9325 3.1.1: nothing before TLS 1.2."""
    context = served(site.modality)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with archive_with(context) as (port, _):
        assert "no TLS version or cipher in common" in error_of(sender_to(port, **own(site)))


def test_a_destination_that_is_silent_is_given_up_in_time(site: Site) -> None:
    """It takes the connection, and never answers the handshake."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        sender = sender_to(mute.getsockname()[1], connect_seconds=0.3, **own(site))

        assert "it did not finish the TLS handshake in time" in error_of(sender)


def test_nobody_at_the_port_is_no_matter_of_tls(site: Site) -> None:
    """The message is that of a destination without TLS."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    assert "does not respond; check that it runs" in error_of(sender_to(port, **own(site)))


def test_a_new_authority_is_taken_up_without_a_restart(site: Site, tmp_path: Path) -> None:
    """The destination got a certificate of another authority; its file replaces the old one."""
    other = authority(tmp_path, "other")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(site.authority.certificate.read_bytes())
    with archive_with(served(certificate(tmp_path, other, "archive"))) as (port, _):
        sender = sender_to(port, ca_file=str(trusted))
        assert "an authority that we do not know" in error_of(sender)
        trusted.write_bytes(other.certificate.read_bytes() + site.authority.certificate.read_bytes())

        sender.echo()


@pytest.mark.parametrize("key", ["ca_file", "certificate_file"])
def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path, key: str) -> None:
    """Nobody finds out at the first delivery."""
    with pytest.raises(ConfigError, match="cannot be read"):
        sender_to(104, **{key: str(tmp_path / "none.pem")})
