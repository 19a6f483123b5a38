"""A receiver with a queue that is a list."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node.jobs import Entry, Job
from node.receive import scp
from node.receive.listener import Listener, listen
from node.store.store import Store
from sgseg_dicom.config import Receive
from sgseg_dicom.senders import Sender

Open = Callable[..., Listener]


class Kept:
    """Stands where the queue stands and remembers the jobs."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def enqueue(self, job: Job) -> bool:
        is_new = self.get(job.id) is None
        self.jobs.append(job)
        return is_new

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
