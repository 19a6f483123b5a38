"""
Sends a message to a webhook: a POST with JSON, signed as https://www.standardwebhooks.com has it.

    webhook-id: <id of the message>
    webhook-timestamp: <POSIX time of this attempt>
    webhook-signature: v1,<base64 of HMAC-SHA256 over "id.timestamp.body">

Proxies and other settings of the environment are not used, and redirects are not followed.
"""

import base64
import binascii
import hashlib
import hmac
import ssl
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from node.watch.deadline import CONNECT_SECONDS, deadline
from node.watch.message import Message, NotTold
from node.watch.trust import read_secret, trusting
from sgseg_dicom.errors import ConfigError
from sgseg_dicom.watching import Notify

_PREFIX = "whsec_"
"""Of a secret that is written in base64."""


class Webhook:
    """
    A webhook.

    Args:
        settings: [notify], with `webhook_url`.
        clock: POSIX time, in seconds.
    """

    def __init__(self, settings: Notify, *, clock: Callable[[], float] = time.time) -> None:
        self._settings, self._clock = settings, clock
        self._url = urlsplit(settings.webhook_url)

    def send(self, message: Message) -> None:
        """See `node.watch.message.Channel`."""
        body = message.to_json()
        self._answered("POST", body, self._headers(message, body))

    def echo(self) -> None:
        """
        Ask whether it answers. Nothing is told.

        Raises:
            NotTold: it does not; with the cause.
            ConfigError: a file of the settings cannot be used.
        """
        if file := self._settings.webhook_secret_file:
            key_of(file)
        self._answered("HEAD", None, {}, takes=lambda status: status < 500)

    def _headers(self, message: Message, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": "sgseg-node"}
        if file := self._settings.webhook_secret_file:
            stamp = str(int(self._clock()))
            headers |= {
                "webhook-id": message.id,
                "webhook-timestamp": stamp,
                "webhook-signature": signature(key_of(file), message.id, stamp, body),
            }
        return headers

    def _answered(
        self,
        method: str,
        body: bytes | None,
        headers: dict[str, str],
        *,
        takes: Callable[[int], bool] = lambda status: 200 <= status < 300,
    ) -> None:
        path = f"{self._url.path or '/'}{'?' if self._url.query else ''}{self._url.query}"
        connection = self._connection()
        try:
            with deadline(lambda: connection.sock):
                connection.request(method, path, body=body, headers=headers)
                status = connection.getresponse().status
        except (OSError, HTTPException, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise NotTold(f"the webhook at {self._url.hostname} cannot be reached ({why})") from error
        finally:
            connection.close()
        if not takes(status):
            raise NotTold(f"the webhook at {self._url.hostname} answered {status}; check webhook_url")

    def _connection(self) -> HTTPConnection:
        host, port = str(self._url.hostname), self._url.port
        if self._url.scheme == "http":
            return HTTPConnection(host, port, timeout=CONNECT_SECONDS)
        context: ssl.SSLContext = trusting(self._settings.webhook_ca_file)
        return HTTPSConnection(host, port, timeout=CONNECT_SECONDS, context=context)


def signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """Sign a message."""
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def key_of(file: Path) -> bytes:
    """
    Read the key: base64 after "whsec_", or else the line as it is.

    Raises:
        ConfigError: the file cannot be used.
    """
    secret = read_secret(file)
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ConfigError(f"{file} begins with {_PREFIX} and is no base64; write the secret anew") from error
