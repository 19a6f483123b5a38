"""A receiver with a queue that is a list."""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.jobs import Entry, Job
from node.receive import scp
from node.receive.listener import Listener, listen
from node.store.store import Store
from sgseg_dicom.config import Receive
from sgseg_dicom.senders import Sender
from tests.support.certificates import Certificate, authority, certificate

Open = Callable[..., Listener]


@dataclass(frozen=True)
class Site:
    """
    The certificates of a site.

    Attributes:
        folder: of all files.
        authority: that both sides know.
        node: the receiver's certificate.
        modality: a sender's.
    """

    folder: Path
    authority: Certificate
    node: Certificate
    modality: Certificate

    @property
    def settings(self) -> dict[str, str]:
        """Keys of [receive]: TLS, and no certificate asked for."""
        return {"certificate_file": str(self.node.certificate), "key_file": str(self.node.key)}

    @property
    def strict(self) -> dict[str, str]:
        """Keys of [receive]: who sends needs a certificate."""
        return {**self.settings, "client_ca_file": str(self.authority.certificate)}

    def client(self, shown: Certificate | None = None) -> ssl.SSLContext:
        """Give the context of a peer that shows a certificate, or none."""
        context = ssl.create_default_context(cafile=self.authority.certificate)
        if shown:
            context.load_cert_chain(shown.certificate, shown.key)
        return context


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Give certificates that are in order."""
    folder = tmp_path_factory.mktemp("site")
    signer = authority(folder)
    node, modality = (certificate(folder, signer, name) for name in ("node", "modality"))
    return Site(folder, signer, node, modality)


class Kept:
    """Stands where the queue stands and remembers the jobs."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def enqueue(self, job: Job) -> None:
        self.jobs.append(job)

    def get(self, job_id: str) -> Entry | None:
        return next((Entry(job=job, state="waiting") for job in self.jobs if job.id == job_id), None)

    def again(self, job: Job) -> None:
        raise NotImplementedError


@pytest.fixture
def open_receiver(tmp_path: Path) -> Iterator[Open]:
    """Give a function that opens a receiver with settings of [receive], and with [[sender]] entries."""
    store, listeners = Store(tmp_path / "store"), []
    store.prepare()

    def build(senders: tuple[Sender, ...] = (), **settings: object) -> Listener:
        listener = listen(
            Receive.model_validate({"port": 0, **settings}, context={"free_ports": True}),
            contexts=scp.contexts(),
            handlers=scp.handlers(store, Kept()),
            spool=store.incoming,
            senders=senders,
        )
        listeners.append(listener)
        return listener

    yield build
    for listener in listeners:
        listener.stop(patience_seconds=0)
