"""
Which sender speaks which protocol. To add a protocol: its settings in `sgseg_dicom.destinations`, its sender here.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from node.delivery.dicomweb import WebSender
from node.delivery.dimse import DimseSender
from sgseg_dicom.config import AnyDestination, Config, Destination, WebDestination


class Sender(Protocol):
    """Sends files to one destination; safe to call from many threads."""

    @property
    def destination(self) -> AnyDestination:
        """The settings of the destination: where it is, and which results it wants."""
        ...

    def echo(self) -> None:
        """Ask whether the destination is there and knows us."""
        ...

    def send(self, files: Sequence[Path]) -> None:
        """Store files at the destination."""
        ...


def senders(config: Config) -> dict[str, Sender]:
    """
    Build a sender for each destination of *config*, by the destination's name.

    Raises:
        ConfigError: a file with a secret or with certificates cannot be used.
    """
    return {one.name: SENDERS[one.protocol](one, config) for one in config.destination}


def _dimse(destination: Destination, config: Config) -> Sender:
    return DimseSender(
        destination,
        calling_ae_title=config.receive.ae_title,
        connect_seconds=config.deliver.connect_seconds,
        answer_seconds=config.deliver.answer_seconds,
    )


def _dicomweb(destination: WebDestination, config: Config) -> Sender:
    return WebSender(
        destination,
        connect_seconds=config.deliver.connect_seconds,
        answer_seconds=config.deliver.answer_seconds,
    )


SENDERS: Mapping[str, Callable[[Any, Config], Sender]] = {"dimse": _dimse, "dicomweb": _dicomweb}
"""`[[destination]] protocol` -> how its sender is built; the same keys as `sgseg_dicom.destinations.DESTINATIONS`."""
