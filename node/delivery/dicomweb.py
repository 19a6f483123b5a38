"""Sends stored files to one DICOMweb service by STOW-RS, and reads what became of each object."""

import math
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import BytesIO
from pathlib import Path
from typing import Any

import requests
from pydantic import ValidationError
from pydicom.filereader import read_file_meta_info
from requests.auth import AuthBase, HTTPBasicAuth

from node.delivery.stow_response import DUPLICATES, OUT_OF_RESOURCES, Report
from node.private_files import require_private_file
from sgseg_dicom.config import WebDestination
from sgseg_dicom.errors import ConfigError, DeliveryRefused, PeerUnavailable, SgsegError

_ANSWERED = (200, 202, 409)  # with a Store Instances Response Module (PS3.18 table 10.5.3-1)
_OF_THE_OBJECT = (400, 406, 413, 415, 422)  # this object is refused for good; the others may go
_LATER = (408, 425, 429, *range(500, 600))
_NEVER = (501, 505)  # of the 5xx: the service cannot do this at all
_JSON = ("application/dicom+json", "application/json")
_ANSWER_BYTES = 1 << 16  # a report on one object has some hundred bytes
_LONGEST_PAUSE_SECONDS = 3600.0
_UNKNOWN = 401
_REFUSED_PAUSE_SECONDS = 900.0
"""Between two requests to a service that denies access: a wrong password every few seconds locks accounts."""
_NOBODYS_STUDY = (
    "1.2.840.10008.1.1"  # the UID of a SOP class: no study has it, so the response has no patient
)

_REMEDIES = {
    401: "check username and password_file, or token_file",
    403: "check what this user or token may do there",
    404: "check url",
    501: "it stores nothing by STOW-RS, or is not there; check url",
}


class WebSender:
    """
    Sends files to one destination, with one request for each file; safe to call from many threads.

    Args:
        destination: its settings.
        connect_seconds: the longest wait for a connection.
        answer_seconds: the longest wait for a response.
        clock: gives seconds that only increase.
    """

    def __init__(
        self,
        destination: WebDestination,
        *,
        connect_seconds: float,
        answer_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Read the secret and the certificates once, so that a wrong file name stops the start.

        Raises:
            ConfigError: a file of *destination* cannot be used.
        """
        self.destination = destination
        self._connect_seconds = connect_seconds
        self._answer_seconds = answer_seconds
        self._clock = clock
        self._pause_until, self._pause_why = -math.inf, ""
        self._access_granted = False
        self._first_request = threading.Lock()
        _authentication(destination)
        _require_authorities(destination.ca_file)

    def echo(self) -> None:
        """
        Ask with a query (QIDO-RS) that finds nothing whether the destination is there and grants access.

        Raises:
            PeerUnavailable: it cannot be reached, does not respond, or denies access.
            DeliveryRefused: it refuses the query, or is no DICOMweb service.
        """
        query = {"StudyInstanceUID": _NOBODYS_STUDY, "limit": "1"}
        with self._session() as session, self._request(session, "GET", params=query) as response:
            self._require(response)
            if response.status_code == 204:  # nothing found
                return
            if response.status_code != 200 or not _is_json(response):
                raise DeliveryRefused(f"{self._name} does not answer a query as DICOMweb does; check url")

    def send(self, files: Sequence[Path]) -> None:
        """
        Store DICOM *files* at the destination in this order, byte for byte.

        The other objects are sent also where one object is refused, or makes the service fail (status 500).

        Raises:
            PeerUnavailable: not reached, no response in time, busy, out of resources, or access is denied (password,
                token, certificate, redirect). Another attempt may succeed, some only after a correction.
            DeliveryRefused: an object was refused for good; the message has each status.
        """
        with self._one_at_a_time():
            self._send(files)

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Let one delivery at a time try a service that has not granted access yet; none during a pause."""
        alone = nullcontext() if self._access_granted else self._first_request
        with alone:
            if (pause := self._pause_until - self._clock()) > 0:
                raise PeerUnavailable(f"{self._pause_why}; the next attempt is not before {pause:.0f} s")
            yield

    def _send(self, files: Sequence[Path]) -> None:
        refusals, failures = [], []
        with self._session() as session:
            for file in files:
                with self._post(session, file) as response:
                    if response.status_code == 500:
                        failures.append(file.name)
                    elif refusal := self._refusal(response, file):
                        refusals.append(f"{file.name}: {refusal}")
        if failures:
            refused = f", and refused {'; '.join(refusals)}" if refusals else ""
            raise PeerUnavailable(
                f"{self._name} answers with status 500 to {', '.join(failures)}{refused}; see its log"
            )
        if refusals:
            raise DeliveryRefused(
                f"{self._name} refused {'; '.join(refusals)}; see its log, then `sgseg-node requeue`"
            )

    def _refusal(self, response: requests.Response, file: Path) -> str | None:
        """Give the reason why an object is not stored; None where it is stored."""
        if response.status_code in _OF_THE_OBJECT:
            return _status(response)
        self._require(response)
        if response.status_code not in _ANSWERED:
            return f"{_status(response)}, which is no response to STOW-RS"
        try:
            report = Report.model_validate_json(self._body(response)) if _is_json(response) else None
        except ValidationError:
            report = None
        if report is None:
            return f"{_status(response)} without a readable report (application/dicom+json)"
        return self._judge(report, str(read_file_meta_info(file).MediaStorageSOPInstanceUID))

    def _judge(self, report: Report, uid: str) -> str | None:
        """Give the reason why the one object of a request is not stored; None where it is stored."""
        for reason in report.reasons:
            if reason in OUT_OF_RESOURCES:
                raise PeerUnavailable(f"{self._name} is out of resources (failure reason 0x{reason:04X})")
        if refused := [f"0x{reason:04X}" for reason in report.reasons if reason not in DUPLICATES]:
            return f"failure reason {', '.join(refused)}"
        has_it = uid in report.stored or uid in report.duplicates
        return None if has_it else "its report does not list the object as stored"

    def _require(self, response: requests.Response) -> None:
        """
        Stop sending where the status is about the service and not about an object.

        Raises:
            PeerUnavailable: another attempt may succeed, some only after a correction.
            DeliveryRefused: a person must look.
        """
        status = response.status_code
        if status in _LATER and status not in _NEVER:
            raise self._pause(
                f"{self._name} cannot serve now ({_status(response)})", _pause_seconds(response)
            )
        if 300 <= status < 400:  # also a login page does this, after a wrong password
            why = f"{self._name} redirects ({_status(response)}), and results do not follow; set url to the new place"
            raise self._pause(why, _REFUSED_PAUSE_SECONDS)
        self._access_granted = status != _UNKNOWN
        if status == _UNKNOWN:
            why = f"{self._name} denies access ({_status(response)}); {_REMEDIES[status]}"
            raise self._pause(why, _REFUSED_PAUSE_SECONDS)
        if status >= 400 and status != 409:
            remedy = _REMEDIES.get(status, "see its log")
            raise DeliveryRefused(
                f"{self._name} refuses ({_status(response)}); {remedy}, then `sgseg-node requeue`"
            )

    def _pause(self, why: str, seconds: float) -> PeerUnavailable:
        """Send nothing to the service for so many seconds, or for an earlier pause; give the error to raise."""
        until = self._clock() + seconds
        if until >= self._pause_until:
            self._pause_until, self._pause_why = until, why
        return PeerUnavailable(why)

    @contextmanager
    def _session(self) -> Iterator[requests.Session]:
        """Open a session that takes no setting from the environment."""
        with requests.Session() as session:
            session.trust_env = False  # no proxy, no .netrc, no certificates
            session.verify = str(self.destination.ca_file or "") or True
            session.headers.update({"Accept": _JSON[0], "Accept-Encoding": "identity"})
            try:  # read each time: tokens and certificates are replaced while the node runs
                session.auth = _authentication(self.destination)
                if self.destination.ca_file:
                    _require_authorities(self.destination.ca_file)
            except ConfigError as error:
                raise PeerUnavailable(f"{self._name} cannot be asked: {error}") from error
            yield session

    def _post(self, session: requests.Session, file: Path) -> AbstractContextManager[requests.Response]:
        """Send one file as the only part of a message (PS3.18 8.6.1.2)."""
        boundary = secrets.token_hex(16)  # 128 random bits do not occur in the file
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = b"".join((head, file.read_bytes(), f"\r\n--{boundary}--\r\n".encode()))
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        # As a stream: urllib3 then sends it in pieces, and each piece has the time limit of the connection.
        return self._request(session, "POST", data=BytesIO(body), headers={"Content-Type": kind})

    @contextmanager
    def _request(self, session: requests.Session, method: str, **options: Any) -> Iterator[requests.Response]:
        """Send a request about studies, with time limits; errors until the response is read become our own."""
        options["timeout"] = (self._connect_seconds, self._answer_seconds)
        try:
            with session.request(
                method, f"{self.destination.url}/studies", allow_redirects=False, stream=True, **options
            ) as response:
                yield response
        except OSError as error:  # as every RequestException is
            raise self._failed(error) from error

    def _body(self, response: requests.Response) -> bytes:
        """Read the response, within limits of size and time."""
        deadline, body = time.monotonic() + self._answer_seconds, bytearray()
        # It waits for a whole piece, and each byte of it may take the whole time limit: so the pieces are small.
        for piece in response.iter_content(64):
            body += piece
            if len(body) > _ANSWER_BYTES or time.monotonic() > deadline:
                raise PeerUnavailable(f"{self._name} does not end its response")
        return bytes(body)

    def _failed(self, error: OSError) -> SgsegError:
        """Give the error that describes why there is no response."""
        if certificate := next(
            (e for e in _causes(error) if isinstance(e, ssl.SSLCertVerificationError)), None
        ):
            return PeerUnavailable(
                f"{self._name} has a certificate that is not trusted ({certificate.verify_message}); "
                "set ca_file to the certificate of its authority, and url to the name in the certificate"
            )
        if isinstance(error, ValueError):  # InvalidURL, for example
            return DeliveryRefused(f"{self._name} cannot be asked ({type(error).__name__}); check url")
        if isinstance(error, requests.exceptions.SSLError):
            return PeerUnavailable(f"{self._name} stops the TLS handshake; check that its port uses TLS")
        if isinstance(error, requests.ConnectTimeout) or not isinstance(error, requests.Timeout):
            why = "does not respond, or closed the connection; check that it runs, its address and its port"
            return PeerUnavailable(f"{self._name} {why}")
        return PeerUnavailable(f"{self._name} did not respond in {self._answer_seconds:g} s")

    @property
    def _name(self) -> str:
        return f"{self.destination.name} ({self.destination.address})"


class _Bearer(AuthBase):
    """Authorization by a bearer token (RFC 6750)."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _authentication(peer: WebDestination) -> AuthBase | None:
    """Read the secret for *peer*; None where it needs none."""
    if peer.token_file:
        token = _secret(peer.token_file)
        if not token.isascii():
            raise ConfigError(
                f"{peer.token_file} has a token that is not ASCII (RFC 6750); write the right one there"
            )
        return _Bearer(token)
    if peer.username and peer.password_file:
        password = _secret(peer.password_file)
        return HTTPBasicAuth(peer.username.encode(), password.encode())  # as UTF-8 (RFC 7617 2.1)
    return None


def _secret(file: Path) -> str:
    """
    Read the one line of *file*.

    Raises:
        ConfigError: there is none, or more, or others can read the file.
    """
    require_private_file(file)
    try:
        secret = file.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read ({type(error).__name__}); write the secret there") from None
    if not secret.isprintable() or not secret:
        raise ConfigError(f"{file} must have one line: the secret, and nothing else")
    return secret


def _require_authorities(file: Path | None) -> None:
    """
    Check that *file* has certificates.

    Raises:
        ConfigError: it has none, or cannot be read.
    """
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:  # as ssl.SSLError is
        reason = error.strerror or "no certificate in it"
        raise ConfigError(f"{file} cannot be used ({reason}); name a PEM file as ca_file") from error


def _is_json(response: requests.Response) -> bool:
    return response.headers.get("Content-Type", "").split(";")[0].strip().lower() in _JSON


def _status(response: requests.Response) -> str:
    return f"HTTP status {response.status_code}"


def _pause_seconds(response: requests.Response) -> float:
    """Give the pause in seconds that a service asks for, at most an hour; a date counts as no pause."""
    wanted = response.headers.get("Retry-After", "")
    return min(float(wanted), _LONGEST_PAUSE_SECONDS) if wanted.isdecimal() else 0.0


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
