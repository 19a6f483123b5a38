"""`python -m benchmarks.receiver_without_queue FOLDER PORT`: the receiver, with a queue that keeps nothing."""

import gc
import sys
import threading
from pathlib import Path

from node import logs
from node.jobs import Entry, Job
from node.receive import scp
from node.receive.listener import listen
from node.store.store import Store
from sgseg_dicom.config import Receive

_MOST_ASSOCIATIONS = 128


class _Nothing:
    """Stands where the queue stands."""

    def enqueue(self, job: Job) -> None:
        """Forget the job."""

    def get(self, job_id: str) -> Entry | None:
        """Know none."""

    def again(self, job: Job) -> None:
        """Forget it once more."""


def main(folder: Path, port: int) -> None:
    """Receive until killed."""
    logs.configure("info")
    store = Store(folder / "store")
    store.prepare()
    settings = {"max_associations": _MOST_ASSOCIATIONS, "max_associations_per_address": _MOST_ASSOCIATIONS}
    listen(
        Receive.model_validate({"port": port, **settings}),
        contexts=scp.contexts(),
        handlers=scp.handlers(store, _Nothing()),
        spool=store.incoming,
        require_space=store.require_space,
    )
    gc.freeze()  # as `node.app` does
    threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
