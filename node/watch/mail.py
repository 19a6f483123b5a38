"""Sends a message as an e-mail, over SMTP with STARTTLS (RFC 3207) or TLS (RFC 8314)."""

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

from node.watch.deadline import CONNECT_SECONDS, deadline
from node.watch.message import Message, NotTold
from node.watch.trust import read_secret, trusting
from sgseg_dicom.watching import Notify


class Mail:
    """
    A mail server, and the addresses to which mail goes.

    Args:
        settings: [notify], with `email_to`.
    """

    def __init__(self, settings: Notify) -> None:
        self._settings = settings

    def send(self, message: Message) -> None:
        """See `node.watch.message.Channel`."""
        with self._server() as server:
            server.send_message(self._written(message))

    def echo(self) -> None:
        """
        Ask whether the server greets us and lets us in. Nothing is told.

        Raises:
            NotTold: it does not; with the cause.
            ConfigError: a file of the settings cannot be used.
        """
        with self._server():
            pass

    def _written(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["From"], mail["To"] = str(self._settings.email_from), ", ".join(self._settings.email_to)
        mail["Subject"] = f"[{message.node}] {message.title}"
        mail["Date"] = format_datetime(datetime.fromtimestamp(message.at, UTC))
        mail["Message-ID"] = (
            f"<{message.id}@{socket.gethostname()}>"  # a mail that comes twice is seen to be one
        )
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no machine answers
        mail.set_content(f"{message.words}\n\n{message.node}\n")
        return mail

    @contextmanager
    def _server(self) -> Iterator[smtplib.SMTP]:
        """Give a connection that is logged in."""
        settings = self._settings
        context = trusting(settings.smtp_ca_file)
        password = read_secret(settings.smtp_password_file) if settings.smtp_password_file else ""
        server = _unconnected(settings, context)
        try:
            try:
                with deadline(lambda: server.sock):
                    server.connect(settings.smtp_host, settings.smtp_port)
                    if settings.smtp_security == "starttls":
                        server.starttls(context=context)
                    if settings.smtp_username:
                        server.login(settings.smtp_username, password)
                    yield server
                    with suppress(smtplib.SMTPException, OSError):  # it has the mail
                        server.quit()
            finally:
                server.close()
        except (
            OSError,
            ValueError,
            smtplib.SMTPException,
        ) as error:  # its text may quote what the server has of us
            where = f"{settings.smtp_host}:{settings.smtp_port}"
            raise NotTold(f"the mail server {where} did not take it ({_cause(error)})") from error


def _unconnected(settings: Notify, context: ssl.SSLContext) -> smtplib.SMTP:
    """Make a client that connects later: a server that never ends its greeting must meet the time limit too."""
    server = (
        smtplib.SMTP_SSL(timeout=CONNECT_SECONDS, context=context)
        if settings.smtp_security == "tls"
        else smtplib.SMTP(timeout=CONNECT_SECONDS)
    )
    server._host = settings.smtp_host  # type: ignore[attr-defined]  # whose certificate it must be
    return server


def _cause(error: Exception) -> str:
    """Give the cause in some words: the code of SMTP, or what the system says."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"{error.smtp_code}: check smtp_username and smtp_password_file"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "it offers no STARTTLS or no login; check smtp_security"
    if isinstance(error, smtplib.SMTPResponseException):
        return str(error.smtp_code)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "it refuses an address of email_to"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{error.verify_message}; check smtp_host and smtp_ca_file"
    return getattr(error, "strerror", None) or type(error).__name__
