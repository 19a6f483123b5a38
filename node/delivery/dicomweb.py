"""STOW-RS of kept bytes to one DICOMweb service: what it said of each object, and whether to ask again."""

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
from sgseg_dicom.config import WebDestination
from sgseg_dicom.errors import ConfigError, DeliveryRefused, PeerUnavailable, SgsegError

_ANSWERED = (200, 202, 409)  # with a Store Instances Response Module (PS3.18 table 10.5.3-1)
_OF_THE_OBJECT = (400, 406, 413, 415, 422)  # refused for good, and says nothing about the other objects
_LATER = (408, 425, 429, *range(500, 600))
_NEVER = (501, 505)  # of the 5xx: the service does not do this at all
_JSON = ("application/dicom+json", "application/json")
_ANSWER_BYTES = 1 << 16  # a report on one object has some hundreds
_LONGEST_PAUSE_SECONDS = 3600.0
_UNKNOWN = 401
_REFUSED_PAUSE_SECONDS = 900.0
"""Between two requests to a service that does not let us in: a wrong password every few seconds locks accounts."""
_NOBODYS_STUDY = "1.2.840.10008.1.1"  # a SOP class: the answer to a query for it has no patient in it

_CURES = {
    401: "check username and password_file, or token_file",
    403: "check what this user or token may do there",
    404: "check url",
    501: "it stores nothing by STOW-RS, or is not there; check url",
}


class WebSender:
    """Sends files to one destination, a request for each file; safe to call from many threads."""

    def __init__(
        self,
        destination: WebDestination,
        *,
        connect_seconds: float,
        answer_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Read the secret and the authorities once, so that a wrong file's name stops the start.

        Raises:
            ConfigError: a file of *destination* cannot be used.
        """
        self.destination = destination
        self._connect_seconds = connect_seconds
        self._answer_seconds = answer_seconds
        self._clock = clock
        self._silent_until, self._silent_why = -math.inf, ""
        self._let_in = False
        self._knocking = threading.Lock()
        _authentication(destination)
        _require_authorities(destination.ca_file)

    def echo(self) -> None:
        """
        Ask with a query (QIDO-RS) that finds nothing whether the destination is there and knows us.

        Raises:
            PeerUnavailable: it cannot be reached, does not answer, or does not let us in.
            DeliveryRefused: it refuses us, or is no DICOMweb service.
        """
        query = {"StudyInstanceUID": _NOBODYS_STUDY, "limit": "1"}
        with self._session() as session, self._request(session, "GET", params=query) as answer:
            self._require(answer)
            if answer.status_code == 204:  # nothing found
                return
            if answer.status_code != 200 or not _is_json(answer):
                raise DeliveryRefused(f"{self._name} does not answer a query as DICOMweb does; check url")

    def send(self, files: Sequence[Path]) -> None:
        """
        Store DICOM *files* at the destination, each as it lies on disk, in this order.

        An object that is refused does not keep the others back, nor does one that the service stumbles over
        (status 500).

        Raises:
            PeerUnavailable: not reached, no answer in time, busy, out of resources, or it does not let us in
                whatever we send (password, token, certificate, redirect): later, or after a correction, may go well.
            DeliveryRefused: some object was refused for good; the message has each status.
        """
        with self._one_knocks():
            self._send(files)

    @contextmanager
    def _one_knocks(self) -> Iterator[None]:
        """Let only one delivery ask a service that has not let us in yet; leave alone one that asked for it."""
        alone = nullcontext() if self._let_in else self._knocking
        with alone:
            if (pause := self._silent_until - self._clock()) > 0:
                raise PeerUnavailable(f"{self._silent_why}; it is left alone for another {pause:.0f} s")
            yield

    def _send(self, files: Sequence[Path]) -> None:
        refusals, stumbles = [], []
        with self._session() as session:
            for file in files:
                with self._post(session, file) as answer:
                    if answer.status_code == 500:
                        stumbles.append(file.name)
                    elif refusal := self._refusal(answer, file):
                        refusals.append(f"{file.name}: {refusal}")
        if stumbles:
            refused = f", and refused {'; '.join(refusals)}" if refusals else ""
            raise PeerUnavailable(
                f"{self._name} answers with status 500 to {', '.join(stumbles)}{refused}; see its log"
            )
        if refusals:
            raise DeliveryRefused(
                f"{self._name} refused {'; '.join(refusals)}; see its log, then `sgseg-node requeue`"
            )

    def _refusal(self, answer: requests.Response, file: Path) -> str | None:
        """Say why an object is not stored; None where it is."""
        if answer.status_code in _OF_THE_OBJECT:
            return _status(answer)
        self._require(answer)
        if answer.status_code not in _ANSWERED:
            return f"{_status(answer)}, which is no answer to STOW-RS"
        try:
            report = Report.model_validate_json(self._body(answer)) if _is_json(answer) else None
        except ValidationError:
            report = None
        if report is None:
            return f"{_status(answer)} without a readable report (application/dicom+json)"
        return self._judge(report, str(read_file_meta_info(file).MediaStorageSOPInstanceUID))

    def _judge(self, report: Report, uid: str) -> str | None:
        """Read what the destination did with the one object of a request."""
        for reason in report.reasons:
            if reason in OUT_OF_RESOURCES:
                raise PeerUnavailable(f"{self._name} is out of resources (failure reason 0x{reason:04X})")
        if refused := [f"0x{reason:04X}" for reason in report.reasons if reason not in DUPLICATES]:
            return f"failure reason {', '.join(refused)}"
        has_it = uid in report.stored or uid in report.duplicates
        return None if has_it else "it does not say that it stored the object"

    def _require(self, answer: requests.Response) -> None:
        """
        Leave where the status speaks of the service, not of an object: nothing more is sent to it.

        Raises:
            PeerUnavailable: it may do well later, or after a correction: nothing is lost until then.
            DeliveryRefused: a person must look.
        """
        status = answer.status_code
        if status in _LATER and status not in _NEVER:
            raise self._silent(f"{self._name} cannot serve now ({_status(answer)})", _pause_seconds(answer))
        if 300 <= status < 400:  # also what a login page does with a wrong password
            why = f"{self._name} redirects ({_status(answer)}), and results follow nobody; set url to where it leads"
            raise self._silent(why, _REFUSED_PAUSE_SECONDS)
        self._let_in = status != _UNKNOWN
        if status == _UNKNOWN:
            why = f"{self._name} does not let us in ({_status(answer)}); {_CURES[status]}"
            raise self._silent(why, _REFUSED_PAUSE_SECONDS)
        if status >= 400 and status != 409:
            cure = _CURES.get(status, "see its log")
            raise DeliveryRefused(
                f"{self._name} refuses ({_status(answer)}); {cure}, then `sgseg-node requeue`"
            )

    def _silent(self, why: str, seconds: float) -> PeerUnavailable:
        """Leave the service alone for so long, or as long as it is already; give the error to raise."""
        until = self._clock() + seconds
        if until >= self._silent_until:
            self._silent_until, self._silent_why = until, why
        return PeerUnavailable(why)

    @contextmanager
    def _session(self) -> Iterator[requests.Session]:
        """Open a session whose every setting is ours."""
        with requests.Session() as session:
            session.trust_env = False  # no proxy, .netrc or authorities of the environment
            session.verify = str(self.destination.ca_file or "") or True
            session.headers.update({"Accept": _JSON[0], "Accept-Encoding": "identity"})
            try:  # read anew each time: tokens and authorities are replaced while we run
                session.auth = _authentication(self.destination)
                if self.destination.ca_file:
                    _require_authorities(self.destination.ca_file)
            except ConfigError as error:
                raise PeerUnavailable(f"{self._name} cannot be asked: {error}") from error
            yield session

    def _post(self, session: requests.Session, file: Path) -> AbstractContextManager[requests.Response]:
        """Send one file as the one part of a message (PS3.18 8.6.1.2)."""
        boundary = secrets.token_hex(16)  # 128 random bits do not occur in the file
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = b"".join((head, file.read_bytes(), f"\r\n--{boundary}--\r\n".encode()))
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        # As a stream: urllib3 sends it in pieces, each with the time limit of the connection, not all at once.
        return self._request(session, "POST", data=BytesIO(body), headers={"Content-Type": kind})

    @contextmanager
    def _request(self, session: requests.Session, method: str, **options: Any) -> Iterator[requests.Response]:
        """Ask for the studies, with time limits; what goes wrong until the answer is read is told as ours."""
        options["timeout"] = (self._connect_seconds, self._answer_seconds)
        try:
            with session.request(
                method, f"{self.destination.url}/studies", allow_redirects=False, stream=True, **options
            ) as answer:
                yield answer
        except OSError as error:  # as every RequestException is
            raise self._failed(error) from error

    def _body(self, answer: requests.Response) -> bytes:
        """Read the answer, within limits of size and time."""
        deadline, body = time.monotonic() + self._answer_seconds, bytearray()
        # It waits for a whole piece, and may wait the limit for each byte of it: so the pieces are small.
        for piece in answer.iter_content(64):
            body += piece
            if len(body) > _ANSWER_BYTES or time.monotonic() > deadline:
                raise PeerUnavailable(f"{self._name} does not come to the end of its answer")
        return bytes(body)

    def _failed(self, error: OSError) -> SgsegError:
        """Say why there is no answer."""
        if certificate := next(
            (e for e in _causes(error) if isinstance(e, ssl.SSLCertVerificationError)), None
        ):
            return PeerUnavailable(
                f"{self._name} shows a certificate that we do not trust ({certificate.verify_message}); "
                "set ca_file to its authority's, and url to the name in it"
            )
        if isinstance(error, ValueError):  # InvalidURL and its like
            return DeliveryRefused(f"{self._name} cannot be asked ({type(error).__name__}); check url")
        if isinstance(error, requests.exceptions.SSLError):
            return PeerUnavailable(
                f"{self._name} breaks off the TLS handshake; check that its port speaks TLS"
            )
        if isinstance(error, requests.ConnectTimeout) or not isinstance(error, requests.Timeout):
            why = "does not answer, or broke off; check that it runs, its address and its port"
            return PeerUnavailable(f"{self._name} {why}")
        return PeerUnavailable(f"{self._name} did not answer in {self._answer_seconds:g} s")

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
    """Read what we show to *peer*; None where it asks for nothing."""
    if peer.token_file:
        token = _secret(peer.token_file)
        if not token.isascii():
            raise ConfigError(
                f"{peer.token_file} has a token that is not ASCII (RFC 6750); put the right one there"
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
        ConfigError: there is none, or more.
    """
    try:
        secret = file.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read ({type(error).__name__}); put the secret there") from None
    if not secret.isprintable() or not secret:
        raise ConfigError(f"{file} must have one line: the secret, and nothing else")
    return secret


def _require_authorities(file: Path | None) -> None:
    """
    Look whether *file* can be used.

    Raises:
        ConfigError: it has no certificate.
    """
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:  # as ssl.SSLError is
        reason = error.strerror or "no certificate in it"
        raise ConfigError(f"{file} cannot be used ({reason}); name a PEM file as ca_file") from error


def _is_json(answer: requests.Response) -> bool:
    return answer.headers.get("Content-Type", "").split(";")[0].strip().lower() in _JSON


def _status(answer: requests.Response) -> str:
    return f"HTTP status {answer.status_code}"


def _pause_seconds(answer: requests.Response) -> float:
    """Give the pause that a service asks for in seconds; a date, or a pause of days, is not followed."""
    wish = answer.headers.get("Retry-After", "")
    return min(float(wish), _LONGEST_PAUSE_SECONDS) if wish.isdecimal() else 0.0


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
