"""
What we offer and accept: the BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile (PS3.15 B.12).

TLS 1.2 and 1.3 with forward secrecy and authenticated encryption alone; no compression, no renegotiation. No session
is resumed either: every association shows a certificate that is valid now.
"""

import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from node.tls.validity import PEM_CERTIFICATE
from sgseg_dicom.errors import ConfigError

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2 (RFC 9325 4.2); those of TLS 1.3 are all of this kind."""

_ENCRYPTED = re.compile(rb"BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED")


@dataclass(frozen=True, kw_only=True, slots=True)
class Files:
    """
    PEM files.

    Attributes:
        certificate: ours, with those between it and its authority; None for a client that shows none.
        key: of the certificate; None where it stands in the same file.
        authorities: whose certificates a peer may show. None: a client takes the system's, a server asks for none.
    """

    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None

    @property
    def all(self) -> tuple[Path, ...]:
        """Those that there are."""
        return tuple(file for file in (self.certificate, self.key, self.authorities) if file)


def server_context(files: Files) -> ssl.SSLContext:
    """
    Give the context of the receiver; peers need a certificate where there are authorities.

    Our own certificate is then good, too, whoever signed it: the node asks its own receiver.

    Raises:
        ConfigError: a file cannot be used.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER, files)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0
    if files.authorities and files.certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        # The first certificate alone: those behind it signed many others.
        own = PEM_CERTIFICATE.search(files.certificate.read_bytes())
        context.load_verify_locations(cadata=own.group().decode("ascii") if own else None)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def client_context(files: Files, *, check_name: bool) -> ssl.SSLContext:
    """
    Give the context of a sender.

    Args:
        files: see there.
        check_name: whether the peer's certificate must have the name by which it is called.

    Raises:
        ConfigError: a file cannot be used.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT, files)
    context.check_hostname = check_name
    if files.authorities is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context


def _context(protocol: int, files: Files) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    for file in files.all:
        _require_pem(file)
    if files.certificate:
        _load_own(context, files.certificate, files.key or files.certificate)
    if files.authorities:
        try:
            context.load_verify_locations(files.authorities)
        except OSError as error:
            raise ConfigError(
                f"{files.authorities} has no certificates of authorities in PEM form"
            ) from error
    return context


def _require_pem(file: Path) -> None:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read ({error.strerror}); correct its name or its rights"
        ) from error
    if b"-----BEGIN " not in content:
        raise ConfigError(f"{file} is no PEM file; convert it (openssl x509 -inform DER, openssl pkcs12)")


def _load_own(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    if _ENCRYPTED.search(key.read_bytes()):
        raise ConfigError(
            f"{key} is encrypted, and nobody is there to type its password; store it without one"
        )
    if not PEM_CERTIFICATE.search(certificate.read_bytes()):
        raise ConfigError(
            f"{certificate} has no certificate; give the file that begins with BEGIN CERTIFICATE"
        )
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(
                f"the key in {key} does not belong to the certificate in {certificate}"
            ) from error
        raise ConfigError(
            f"{certificate} and {key} cannot be used ({error.reason}); "
            "the first must have our certificate, the second its private key"
        ) from error
