"""The trail for other software: as it stands, or as DICOM audit messages."""

import json
import socket
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from node.audit.chain import parsed
from node.audit.dicom_messages import Site, message
from node.audit.person import person_does
from node.audit.trail import Trail, lines_of, require_trail
from node.store.fsync import storage
from sgseg_dicom.config import Config, Destination


def exported(
    config: Config, *, since: datetime | None, until: datetime | None, as_dicom: bool
) -> Iterator[str]:
    """
    Give the events of a time, one a line. That they were read is an event too (PS3.15 A.5.3.2).

    Raises:
        StorageUnavailable: there is no trail, or it cannot be read or written.
    """
    trail = require_trail(config.store.folder)
    with person_does(config, "exported", at=time.time()):
        site = site_of(config)
    studies: dict[str, str] = {}
    if as_dicom:  # an image's study is known when it is answered
        studies = {event.get("job", ""): event["study"] for event in _events(trail) if event.get("study")}
    for event in _events(trail):
        if _is_in(event, since, until):
            study = studies.get(event.get("job", ""), "")
            yield message({"study": study, **event}, site) if as_dicom else json.dumps(event)


def _events(trail: Trail) -> Iterator[dict[str, Any]]:
    with storage(trail.folder):
        for path in trail.files():
            for line in lines_of(path):
                if event := parsed(line):
                    yield event


def site_of(config: Config) -> Site:
    """Give the names of this node and of its destinations."""
    peers = {
        peer.name: (peer.ae_title, peer.host) if isinstance(peer, Destination) else (peer.url, "")
        for peer in config.destination
    }
    return Site(ae_title=config.receive.ae_title, machine=socket.gethostname(), peers=peers)


def _is_in(event: dict[str, Any], since: datetime | None, until: datetime | None) -> bool:
    at = datetime.fromisoformat(event["at"])
    return (since is None or at >= since) and (until is None or at < until)
