"""TLS towards one destination, and why it did not come about: pynetdicom only says that there is no association."""

import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

from node.tls.causes import describe
from node.tls.certificates import Certificates
from node.tls.profile import Files, client_context
from sgseg_dicom.config import Destination

Note = Callable[[str], None]


class ClientTls:
    """
    The TLS of one destination; safe to use from many threads.

    Args:
        destination: its settings, with `tls`.

    Raises:
        ConfigError: a file cannot be used.
    """

    def __init__(self, destination: Destination) -> None:
        named = destination.tls_host_name
        self._name = named or destination.host
        files = Files(
            certificate=destination.certificate_file,
            key=destination.key_file,
            authorities=destination.ca_file,
        )
        self._certificates = Certificates(files, partial(_context, check_name=named != ""))

    def arguments(self, note: Note) -> tuple[ssl.SSLContext, str]:
        """Give pynetdicom's `tls_args` for one connection; *note* is called with why its TLS failed."""
        context: Any = _NotingContext(self._certificates.context(), note)
        return context, self._name


class _NotingContext:
    """Wraps a socket as an SSLContext does; pynetdicom asks for no more."""

    def __init__(self, context: ssl.SSLContext, note: Note) -> None:
        self._context, self._note = context, note

    def wrap_socket(self, connection: Any, *, server_side: bool, server_hostname: str) -> ssl.SSLSocket:
        """Give a socket that tells what fails in TLS."""
        wrapped: Any = self._context.wrap_socket(
            connection,
            server_side=server_side,
            server_hostname=server_hostname,
            do_handshake_on_connect=False,
        )
        wrapped.note = self._note  # see `_context`
        return wrapped  # type: ignore[no-any-return]


class _NotingSocket(ssl.SSLSocket):
    """
    Tells why its TLS failed.

    Attributes:
        note: called with the cause.
    """

    note: Note

    def connect(self, address: Any) -> None:
        """Connect, and do the handshake; what fails is closed."""
        try:
            super().connect(address)
        except OSError:  # not of TLS
            self.close()
            raise
        try:
            self.do_handshake()
        except OSError as error:
            self._tell(error)
            self.close()
            raise

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Read; with TLS 1.3 a server refuses our certificate after the handshake."""
        try:
            return super().recv(buflen, flags)
        except ssl.SSLError as error:
            self._tell(error)
            raise

    def _tell(self, error: OSError) -> None:
        self.note(describe(error, trust="ca_file"))


def _context(files: Files, *, check_name: bool) -> ssl.SSLContext:
    context = client_context(files, check_name=check_name)
    context.sslsocket_class = _NotingSocket
    return context
