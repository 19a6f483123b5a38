"""Secrets and authorities for those whom the node tells what goes wrong."""

import ssl
from pathlib import Path

from node.private_files import require_private_file
from sgseg_dicom.errors import ConfigError


def read_secret(file: Path) -> str:
    """
    Read a file of one line.

    Raises:
        ConfigError: it cannot be read, is empty, or others can read it.
    """
    require_private_file(file)
    try:
        secret = file.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "no UTF-8"
        raise ConfigError(f"{file} cannot be read ({why}); write the secret there, in one line") from error
    if not secret or "\n" in secret:
        raise ConfigError(f"{file} has no secret of one line; write it there")
    return secret


def trusting(authorities: Path | None) -> ssl.SSLContext:
    """
    Give TLS that trusts the authorities of a PEM file; None: those that this machine trusts.

    Raises:
        ConfigError: the file cannot be used.
    """
    try:
        return ssl.create_default_context(cafile=str(authorities) if authorities else None)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"{authorities} has no certificates of authorities ({error}); name a PEM file"
        ) from error
