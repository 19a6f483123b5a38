"""What a sender would get now: the checks behind /ready, each bounded in time."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from node.receive.figures import read_figures
from node.service.heartbeat import LATE_SECONDS, silence_of
from node.service.loaded_model import read_runtime
from node.service.status_page import Health
from node.service.supervisor import Supervisor
from node.store.queue_file import why_not_writable
from node.store.store import Store
from node.time_limit import time_limit
from node.watch.degraded import degradations
from node.watch.worker_state import WorkerState, read_worker_state
from node.work.lasting_jobs import LastingJobs
from node.work.queue import Waiting
from sgseg_dicom.config import Config
from sgseg_dicom.errors import StorageUnavailable

_HANGING_SECONDS = 900.0
_KEPT_SECONDS = 1.0
"""Who asks more often gets the same answer."""

_RECENT_SECONDS = 30.0
_QUEUE_SECONDS = 2.0
_LOCK_SECONDS = 2.0


class Readiness:
    """
    Checks everything that an image needs to be received, judged and delivered; safe to call from many threads.

    Args:
        config: gives the settings of now.
        supervisor: of receiver and worker.
        store: where images and results go.
        jobs: the queue.
        echo: asks the receiver on a port, and says why it does not answer (`node.receive.self_echo`).
    """

    def __init__(
        self,
        config: Callable[[], Config],
        supervisor: Supervisor,
        store: Store,
        jobs: LastingJobs,
        *,
        echo: Callable[[int], str],
    ) -> None:
        self._config_of_now, self._supervisor, self._store, self._jobs = config, supervisor, store, jobs
        self._echo = echo
        self._asking = threading.Lock()
        self._found: Health | None = None
        self._found_at = 0.0

    def __call__(self) -> Health:
        """Give what was found, a second ago at most."""
        with self._asking:
            if self._found is None or time.monotonic() - self._found_at > _KEPT_SECONDS:
                self._found = self._look()
                self._found_at = time.monotonic()
            return self._found

    def recent(self) -> Health:
        """
        Give what was found in the last half a minute, without a look.

        What asks may have less patience than the checks, which take ten seconds where several of them fail.
        """
        found, age = self._found, time.monotonic() - self._found_at
        return found if found is not None and age < _RECENT_SECONDS else self()

    @property
    def _config(self) -> Config:
        return self._config_of_now()

    def _look(self) -> Health:
        ready = self._supervisor.ready
        queue = why_not_writable(self._store.folder, seconds=_QUEUE_SECONDS)
        counts, state = dict[str, int](), WorkerState()
        if "work" in ready:
            state = read_worker_state(self._store.folder)
        problems = [
            f"'{name}' is starting, or has died" for name in self._supervisor.children if name not in ready
        ]
        problems += self._problems_of_the_store()
        problems += [queue] if queue else self._problems_of_the_queue(counts)
        problems += self._problems_of_the_halves()
        waiting = Waiting() if problems and not counts else self._waiting()
        port = ready["receive"]["port"] if "receive" in ready else self._config.receive.port
        return Health(
            problems=tuple(problems),
            address=address_of(self._config, port),
            destinations=tuple(destination.name for destination in self._config.destination),
            counts=counts,
            associations=read_figures(self._store.folder) if "receive" in ready else {},
            model=read_runtime(self._store.folder) if "work" in ready else "",
            degraded=tuple(degradations(self._config, waiting, state.destinations, now=time.time())),
            waiting=waiting,
            worker=state,
        )

    def _waiting(self) -> Waiting:
        """Give what waits; nothing where the queue has just become unusable: the next look says so."""
        with suppress(StorageUnavailable), time_limit(_QUEUE_SECONDS):
            return self._jobs.current().waiting()
        return Waiting()

    def _problems_of_the_store(self) -> Iterator[str]:
        for check in (self._store.require_space, self._store.require_writable, self._store.require_unlocked):
            try:
                with time_limit(_LOCK_SECONDS):
                    check()
            except StorageUnavailable as error:
                yield str(error)

    def _problems_of_the_queue(self, counts: dict[str, int]) -> Iterator[str]:
        try:
            jobs = self._jobs.current()
            counts |= jobs.counts()
            if results := self._store.quarantine.count_results():
                counts["results in quarantine"] = results
            if images := self._store.quarantine.count_images():
                counts["images in quarantine"] = images
            hanging = jobs.in_work_since(time.time() - _HANGING_SECONDS)
        except StorageUnavailable as error:
            yield str(error)
            return
        if hanging:
            yield (
                f"{hanging} images have been in work for more than {_HANGING_SECONDS / 60:.0f} minutes: "
                "the worker or its device hangs; see the log, and restart the node"
            )

    def _problems_of_the_halves(self) -> Iterator[str]:
        ready = self._supervisor.ready
        if "work" in ready and silence_of(self._store.folder) > LATE_SECONDS:
            yield (
                f"the worker has given no sign of life for {LATE_SECONDS:.0f} seconds, or cannot start a process "
                "that judges: images are taken, not judged; see the log, or restart the node"
            )
        if "receive" in ready and (why := self._echo(ready["receive"]["port"])):
            yield why


def address_of(config: Config, port: int) -> str:
    """Give the address to send to: where all addresses are listened on, the name of this machine."""
    host = config.receive.host
    here = socket.gethostname() if host in ("0.0.0.0", "::") else host
    tls = " (TLS)" if config.receive.certificate_file else ""
    return f"{config.receive.ae_title} at {here}:{port}{tls}"
