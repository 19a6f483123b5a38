"""Send DICOM files to a node as a modality would, and say what it answered to each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydicom.errors import InvalidDicomError

from node.delivery.dimse import DimseSender
from sgseg_dicom.config import Config, Destination, Receive
from sgseg_dicom.errors import ConfigError, SgsegError

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What became of a file.

    Attributes:
        path: the file.
        problem: "" where it was taken.
    """

    path: Path
    problem: str


def send(files: Sequence[Path], sender: DimseSender) -> Iterator[Answer]:
    """Send one file after the other; a file that is not taken does not stop the others."""
    for path in files:
        try:
            sender.send([path])
        except InvalidDicomError:
            yield Answer(path, "it is no DICOM file (PS3.10); send what a modality or the PACS exports")
        except OSError as error:
            yield Answer(path, f"it cannot be read ({error.strerror or error})")
        except SgsegError as error:
            yield Answer(path, str(error))
        else:
            yield Answer(path, "")


def node_at(config: Config, to: str, *, tls: bool, ca_file: Path | None) -> Destination:
    """
    Give the node to send to.

    Args:
        config: of our own node.
        to: "AE_TITLE@host:port" of another one; "": our own.
        tls: whether another one is called over TLS.
        ca_file: whose certificates are trusted then; None: those that this machine trusts.

    Raises:
        ConfigError: *to* has another form.
    """
    if not to:
        return _our_own(config.receive, ca_file)
    title, at, address = to.rpartition("@")
    host, colon, port = address.rpartition(":")
    if not (at and colon and port.isdigit()):
        raise ConfigError(f"--to is {to!r}; it must be AE_TITLE@host:port, SGSEG@10.1.2.3:11112 for example")
    given = {
        "name": "node",
        "ae_title": title,
        "host": host,
        "port": int(port),
        "tls": tls,
        "ca_file": ca_file,
    }
    try:
        return Destination.model_validate(given)
    except ValidationError as error:
        wrong = ", ".join(str(one["loc"][0]) for one in error.errors() if one["loc"])
        raise ConfigError(f"--to is {to!r}; impossible: {wrong}") from None


def _our_own(receive: Receive, ca_file: Path | None) -> Destination:
    if receive.certificate_file is None:
        return Destination(
            name="this node",
            ae_title=receive.ae_title,
            host=_EVERYWHERE.get(receive.host, receive.host),
            port=receive.port,
        )
    return Destination(
        name="this node",
        ae_title=receive.ae_title,
        host=_EVERYWHERE.get(receive.host, receive.host),
        port=receive.port,
        tls=True,
        ca_file=ca_file or receive.client_ca_file,
        certificate_file=receive.certificate_file,
        key_file=receive.key_file,
        tls_host_name="",  # it is called by an address of this machine
    )
