"""A webhook and a mailbox are told, over real HTTP and SMTP; who does not answer holds up nobody."""

import base64
import email
import hashlib
import hmac
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.message import Message as Mail
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from node.doctor.examine import examine
from node.doctor.finding import State as Found
from node.service.status_page import Health
from node.store.store import open_store
from node.watch import deadline, teller
from node.watch.degraded import Degradation
from node.watch.lookout import Lasting, Lookout, Sight
from node.watch.mail import Mail as MailChannel
from node.watch.message import Message, NotTold, State
from node.watch.teller import Teller, Tellers
from node.watch.webhook import Webhook
from sgseg_dicom.config import Config
from sgseg_dicom.errors import ConfigError
from sgseg_dicom.watching import Notify, Trouble
from tests.node.processes import wait_for
from tests.support.certificates import authority, certificate
from tests.support.ports import free_ports

MESSAGE = Message(
    id="abc",
    at=1_000_000_000.0,
    node="SGSEG on here",
    trouble=Trouble.DESTINATION_DOWN,
    subject="PACS",
    state=State.BEGINS,
    words="PACS is down: it does not answer",
)
DOWN = Sight(lasting=(Lasting(trouble=Trouble.DESTINATION_DOWN, subject="PACS", words="PACS is down"),))


class Hook:
    """A web server that answers what the test wants, and keeps what it got."""

    def __init__(self) -> None:
        self.status = 200
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                hook.got.append((self.command, dict(self.headers), body))
                self.send_response(hook.status)
                self.end_headers()

            def do_HEAD(self) -> None:
                self.send_response(405)
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook?room=1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.server.shutdown()
    hook.server.server_close()


def secret(folder: Path, text: str) -> Path:
    file = folder / "secret"
    file.write_text(f"{text}\n")
    file.chmod(0o600)
    return file


@pytest.mark.parametrize("prefix", [True, False], ids=["base64", "text"])
def test_a_webhook_gets_json_with_a_signature(hook, tmp_path, prefix):
    """
    Computed here as the standard has it (https://www.standardwebhooks.com).
    """
    key = b"0123456789abcdef"
    text = "whsec_" + base64.b64encode(key).decode() if prefix else key.decode()
    settings = Notify(webhook_url=hook.url, webhook_secret_file=secret(tmp_path, text))
    Webhook(settings, clock=lambda: 1_700_000_000.9).send(MESSAGE)
    ((_, headers, body),) = hook.got

    signed = hmac.new(key, b"abc.1700000000." + body, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(signed).decode()
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("abc", "1700000000")
    assert json.loads(body) == {
        "id": "abc",
        "at": "2001-09-09T01:46:40Z",
        "node": "SGSEG on here",
        "event": "destination-down",
        "subject": "PACS",
        "state": "begins",
        "text": "PACS is down: it does not answer",
        "number": 0,
    }


def test_a_webhook_that_refuses_is_an_error(hook):
    """
    With its status; a redirect is none either.
    """
    for hook.status in (302, 404, 500):
        with pytest.raises(NotTold, match=f"answered {hook.status}"):
            Webhook(Notify(webhook_url=hook.url)).send(MESSAGE)


@contextmanager
def dripping() -> Iterator[tuple[int, threading.Event]]:
    """A server that sends a byte now and then for ten seconds, and no answer; the event says that we hung up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        left = threading.Event()

        def drip() -> None:
            with listener.accept()[0] as peer:
                try:
                    for _ in range(200):
                        peer.send(b"2")
                        time.sleep(0.05)
                except OSError:
                    left.set()

        threading.Thread(target=drip, daemon=True).start()
        yield listener.getsockname()[1], left


@pytest.mark.parametrize(
    "channel",
    [
        lambda port: Webhook(Notify(webhook_url=f"http://127.0.0.1:{port}/")),
        lambda port: MailChannel(mail_settings(port, smtp_security="none")),
    ],
    ids=["webhook", "mail"],
)
def test_who_drips_is_left_after_a_while(monkeypatch, channel):
    """
    Each byte comes in time, and the whole would take for ever.
    """
    monkeypatch.setattr(deadline, "WHOLE_SECONDS", 0.5)
    with dripping() as (port, left):
        with pytest.raises(NotTold):
            channel(port).send(MESSAGE)

        assert left.wait(30)


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [("x", 0o644, "chmod 600"), ("", 0o600, "no secret"), ("whsec_%%%", 0o600, "no base64")],
)
def test_a_secret_that_cannot_be_used_is_named(hook, tmp_path, text, mode, words):
    """
    With the cure.
    """
    file = secret(tmp_path, text)
    file.chmod(mode)

    with pytest.raises(ConfigError, match=words):
        Webhook(Notify(webhook_url=hook.url, webhook_secret_file=file)).send(MESSAGE)


class Mailbox:
    """Keeps what a mail server gets."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.receivers: list[str] = []
        self.was_encrypted = False

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(email.message_from_bytes(envelope.content))
        self.receivers += envelope.rcpt_tos
        self.was_encrypted = session.ssl is not None
        return "250 OK"


def mail_settings(port: int, **more: Any) -> Notify:
    addresses = ("it@hospital.example", "pacs@hospital.example")
    return Notify(
        email_to=addresses,
        email_from="sgseg@hospital.example",
        smtp_host="127.0.0.1",
        smtp_port=port,
        **more,
    )


@contextmanager
def mail_server(**options: Any) -> Iterator[tuple[int, Mailbox]]:
    (port,), mailbox = free_ports(1), Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield port, mailbox
    finally:
        controller.stop()


def test_a_mail_goes_to_all_addresses():
    """
    With a subject that says it all, and an identifier by which a repeated mail is known.
    """
    with mail_server() as (port, mailbox):
        MailChannel(mail_settings(port, smtp_security="none")).send(MESSAGE)
    (mail,) = mailbox.mails

    assert mailbox.receivers == ["it@hospital.example", "pacs@hospital.example"]
    assert mail["Subject"] == "[SGSEG on here] destination-down: PACS (begins)"
    assert mail["Message-ID"].startswith("<abc@")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "PACS is down: it does not answer" in mail.get_payload()


def let_in(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    """Let "sgseg" in."""
    is_right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"sgseg", b"word")
    return AuthResult(success=is_right, handled=False)


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """Give the server's TLS, and the authority that signed it."""
    signer = authority(tmp_path)
    ours = certificate(tmp_path, signer, "mail")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(ours.certificate, ours.key)
    return context, signer.certificate


def test_a_mail_goes_over_starttls_with_a_password(tmp_path, tls):
    """
    A server that asks for both.
    """
    context, trusted = tls
    options = {"tls_context": context, "require_starttls": True, "authenticator": let_in}
    login = {
        "smtp_username": "sgseg",
        "smtp_password_file": secret(tmp_path, "word"),
        "smtp_ca_file": trusted,
    }
    with mail_server(**options, auth_required=True) as (port, mailbox):
        MailChannel(mail_settings(port, **login)).send(MESSAGE)
        secret(tmp_path, "wrong")
        with pytest.raises(NotTold, match="check smtp_username"):
            MailChannel(mail_settings(port, **login)).send(MESSAGE)

    assert (len(mailbox.mails), mailbox.was_encrypted) == (1, True)


def test_a_mail_goes_over_tls_from_the_first_byte_on(tls):
    """
    As port 465 has it (RFC 8314).
    """
    context, trusted = tls
    with mail_server(ssl_context=context) as (port, mailbox):
        MailChannel(mail_settings(port, smtp_security="tls", smtp_ca_file=trusted)).send(MESSAGE)

    assert len(mailbox.mails) == 1  # the server speaks nothing else


def test_a_server_that_nobody_vouches_for_gets_nothing(tls):
    """
    Neither the password nor the mail; nor one without STARTTLS.
    """
    with mail_server(tls_context=tls[0]) as (port, mailbox):
        with pytest.raises(NotTold, match="smtp_ca_file"):
            MailChannel(mail_settings(port)).send(MESSAGE)
        assert mailbox.mails == []
    with mail_server() as (port, mailbox), pytest.raises(NotTold, match="STARTTLS"):
        MailChannel(mail_settings(port)).send(MESSAGE)


class Way:
    """A channel that fails until the test lets it go."""

    def __init__(self) -> None:
        self.fails, self.sent = True, list[Message]()
        self.ids: list[str] = []

    def send(self, message: Message) -> None:
        self.ids.append(message.id)
        if self.fails:
            raise NotTold("nobody there")
        self.sent.append(message)


def a_teller(configure: Callable[..., Config], way: Way, now: list[float]) -> Teller:
    config = configure()
    folder = open_store(config).folder
    return Teller(
        "webhook",
        lambda: config,
        folder / "notified-webhook.json",
        channel=lambda settings: way,
        clock=lambda: now[0],
    )


def test_what_was_not_taken_is_tried_again_under_the_same_id(configure):
    """
    After a pause that doubles, up to five minutes.
    """
    way, now = Way(), [0.0]
    teller = a_teller(configure, way, now)
    pauses = [teller.tell(DOWN) for _ in range(8)]
    way.fails = False
    pauses.append(teller.tell(DOWN))

    assert pauses == [10, 20, 40, 80, 160, 300, 300, 300, 10]
    assert (len(way.sent), len(way.ids), len(set(way.ids))) == (1, 9, 1)
    assert way.sent[0].node.startswith("SGSEG on ")


def test_another_teller_knows_what_was_told(configure):
    """
    The node starts again.
    """
    way, now = Way(), [0.0]
    way.fails = False
    for now[0] in (0.0, 100.0, 4000.0):
        a_teller(configure, way, now).tell(DOWN)

    assert [message.state for message in way.sent] == [State.BEGINS, State.LASTS]


def test_a_silent_webhook_keeps_no_mail_back(configure, monkeypatch):
    """
    Each has a thread of its own; the settings are those of now.
    """
    monkeypatch.setattr(teller, "SECONDS", 0.05)
    ill = Health(problems=(), address="", destinations=())
    ill = replace(ill, degraded=(Degradation(Trouble.WAITING, "PACS", "results have waited for PACS"),))
    with socket.create_server(("127.0.0.1", 0)) as silent, mail_server() as (port, mailbox):
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        notify = mail_settings(port, smtp_security="none", webhook_url=url).model_dump(mode="json")
        config = configure(notify=notify)
        store = open_store(config)
        tellers = Tellers(lambda: config, store.folder, Lookout(lambda: config, store, health=lambda: ill))
        tellers.start()
        wait_for(lambda: mailbox.mails, what="the mail")
        tellers.stop()

    assert mailbox.mails[0]["Subject"].endswith("waiting: PACS (begins)")


def test_nobody_who_is_not_to_be_told_costs_a_look(configure, monkeypatch):
    """
    A look opens an association to the receiver.
    """
    monkeypatch.setattr(teller, "SECONDS", 0.01)
    looks, config = [], configure()
    tellers = Tellers(lambda: config, open_store(config).folder, lambda: looks.append(1))
    tellers.start()
    time.sleep(0.3)
    tellers.stop()

    assert looks == []


def test_the_doctor_asks_both(configure, hook, tmp_path):
    """
    Nobody is told anything by that; who does not answer is worth a look, and stops no start.
    """
    (nobody,) = free_ports(1)
    with mail_server() as (port, mailbox):
        good = mail_settings(port, smtp_security="none", webhook_url=hook.url)
        bad = mail_settings(nobody, webhook_url=f"http://127.0.0.1:{nobody}/")
        found = [
            {one.subject: one.state for one in examine(config_with(configure, one), run_model=False)}
            for one in (good, bad)
        ]

    assert [(one["webhook"], one["mail server"]) for one in found] == [
        (Found.OK, Found.OK),
        (Found.WARNING, Found.WARNING),
    ]
    assert (hook.got, mailbox.mails) == ([], [])


def config_with(configure: Callable[..., Config], notify: Notify) -> Config:
    return configure(notify=notify.model_dump(mode="json"))
