"""Builds all objects from the settings and connects them; the only module that knows them all."""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from node.service.housekeeping import TRANSFER_SWEEP_SECONDS, delete_old, queue_orphans, repeat
from node.store.store import QUEUE_FILE, Store, open_store
from sgseg_dicom.config import Config
from sgseg_dicom.errors import StorageUnavailable

if TYPE_CHECKING:
    from node.judge.child import Load
    from node.judge.shares import Shares
    from node.service.status_page import Health
    from node.service.supervisor import Ready, Supervisor
    from node.work.queue import Jobs
    from sgseg_dicom.language.language import Language
    from sgseg_dicom.pipeline import Pipeline

# Receiver and worker are imported where they are needed: the receiver starts without torch, `--help` without both.

log = structlog.get_logger(__name__)

ReportReady = Callable[..., None]
_PATIENCE_SECONDS = 10
_HANGING_SECONDS = 900.0


def receive(config: Config, stop: threading.Event, ready: ReportReady) -> None:
    """
    Receive until *stop* is set: the receiver's process.

    Raises:
        StorageUnavailable: the store cannot be used, or the port is not free.
    """
    from node.receive import commitment_reports, scp
    from node.receive.figures import SECONDS as FIGURES_EVERY
    from node.receive.figures import Figures
    from node.receive.listener import listen
    from node.store.commitments import Commitments
    from node.work import queue
    from node.work.bounded_jobs import BoundedJobs

    store = open_store(config)
    with store.claim("receive"):
        swept = store.sweep_incoming()
        jobs = BoundedJobs(queue.prepare(store.folder))
        contexts = scp.contexts()
        handlers = scp.handlers(store, jobs, answer_seconds=config.receive.answer_seconds)
        if commitment_reports.is_asked_for(config):
            contexts.append(commitment_reports.context())
            handlers.append(commitment_reports.handler(Commitments(store.folder / "commitments")))
        try:
            listener = listen(
                config.receive,
                contexts=contexts,
                handlers=handlers,
                spool=store.incoming,
                senders=config.sender,
                require_space=store.require_space,
            )
        except OSError as error:
            where = f"[receive] host {config.receive.host}, port {config.receive.port}"
            raise StorageUnavailable(
                f"cannot listen on {where} ({error.strerror}); set another one"
            ) from error
        log.info("receiving", host=config.receive.host, port=listener.port, swept=swept, pid=os.getpid())
        ready(host=config.receive.host, port=listener.port, pid=os.getpid())
        figures = Figures(store.folder)
        figures.write(listener.counts)
        threading.Thread(
            target=repeat,
            args=(stop, lambda: figures.write(listener.counts)),
            kwargs={"every": FIGURES_EVERY},
            daemon=True,
        ).start()
        # An association without traffic for idle_seconds is aborted. So no transfer uses a file older than this.
        unused = 2 * config.receive.idle_seconds + TRANSFER_SWEEP_SECONDS
        repeat(
            stop,
            lambda: store.sweep_incoming(older_than_seconds=unused),
            every=TRANSFER_SWEEP_SECONDS,
        )
        listener.stop(patience_seconds=5.0)
        jobs.close()
    log.info("receiver_stopped")


def work(
    config: Config,
    stop: threading.Event,
    ready: ReportReady,
    *,
    load: "Load | None" = None,
) -> None:
    """
    Work until *stop* is set: the worker's process.

    Args:
        config: the settings.
        stop: set from outside.
        ready: called when the model is warm and jobs are taken.
        load: gives the pipeline with its model, in each judging process; a function of a module.

    Raises:
        StorageUnavailable: the store cannot be used.
        ConfigError: a destination's secret, or the language of [report], cannot be used.
        WeightsError: weights and manifest do not belong together.
        ProcessDied: a judging process ended while it started.
    """
    from node.delivery.protocols import senders
    from node.judge.pool import Pool
    from node.work import queue
    from node.work.take_over import take_over
    from node.work.worker import Worker
    from node.work.workflows import Workflows

    store = open_store(config)
    with store.claim("work"):
        swept = store.sweep_unfinished()
        url = queue.prepare(store.folder)
        take_over(store.folder / QUEUE_FILE)
        receivers = senders(config)  # a secret that cannot be read stops the start before the model loads
        pool = Pool(
            config,
            load or load_pipeline,
            imports=(load.__module__ if load else "node.judge.imports",),
        )
        worker = Worker(store=store, judge=pool, senders=receivers, patience=config.deliver)
        workflows = Workflows(
            url, worker, worker.deliveries, queue=config.queue, attempts=config.deliver.attempts
        )
        jobs = queue.Jobs(url)
        queue_orphans(store, jobs)
        workflows.launch()
        log.info("working", swept=swept, pid=os.getpid())
        ready(pid=os.getpid())

        def do_housekeeping() -> None:
            delete_old(store, jobs, config.store.keep_days, now=datetime.now(UTC))
            queue_orphans(store, jobs)

        repeat(stop, do_housekeeping)
        jobs.close()
        workflows.stop(patience_seconds=_PATIENCE_SECONDS if worker.busy else 0)
        pool.close()
    log.info("worker_stopped")


def start(config: Config, stop: threading.Event, *, show: Callable[[str], None]) -> int:
    """
    Run receiver, worker and status page until *stop* is set; give the exit status.

    *show* gets the text for the administrator when both processes are ready.

    Raises:
        StorageUnavailable: the store cannot be used, or the page's port is not free.
    """
    from node.service import status_page
    from node.service.supervisor import Supervisor
    from node.work.queue import open_jobs

    store, jobs = open_store(config), open_jobs(config)
    supervisor = Supervisor(config, {role: child_command(role) for role in ("receive", "work")})
    page = status_page.Page(
        status_page.build(lambda: _health(config, supervisor, store, jobs), names=config.page.names),
        host=config.page.host,
        port=config.page.port,
    )
    page.start()

    def on_ready(ready: "Mapping[str, Ready]") -> None:
        show(greeting(config, port=ready["receive"]["port"], page_port=page.port))

    try:
        return supervisor.run(stop, on_ready=on_ready)
    finally:
        page.stop()
        jobs.close()


def greeting(config: Config, *, port: int, page_port: int) -> str:
    """Tell where to send images, where results go, and which destinations get no report of images not judged."""
    text = (
        f"Send chest radiographs to {_address(config, port)}; results go to {_receivers(config)}; "
        f"status on http://{config.page.host}:{page_port}"
    )
    if silent := [destination.name for destination in config.destination if not destination.not_judged]:
        text += (
            f"\n{', '.join(silent)}: nothing is sent for an image that was not judged. No result never means normal; "
            "not_judged = true sends a report that says so."
        )
    return text


def load_pipeline(config: Config, stack: ExitStack, shares: "Shares | None" = None) -> "Pipeline":
    """
    Load the real model, and warm up the whole pipeline: no patient waits for an import.

    *shares*: what this process shares with others; None: nothing.
    """
    from node.judge.shares import Unshared
    from node.judge.taking_turns import TakingTurns
    from node.judge.warm_up import warm_up
    from sgseg_dicom.inference.segmenter import load_segmenter
    from sgseg_dicom.model.image_check import load_image_check
    from sgseg_dicom.pipeline import Pipeline

    shares = shares or Unshared()
    language = language_of(config)
    segmenter = load_segmenter(config.weights_folder, device=config.model.device)
    stack.callback(segmenter.close)
    pipeline = Pipeline(
        segmenter=TakingTurns(segmenter, shares),
        image_check=load_image_check() if config.model.image_check else None,
        clock=lambda: datetime.now().astimezone(),
        language=language,
        undeclared_character_set=config.receive.undeclared_character_set,
        require_room=shares.require_room,
    )
    segmenter.warm_up()
    warm_up(pipeline)
    return pipeline


def language_of(config: Config) -> "Language":
    """
    Give the language of the results.

    Raises:
        ConfigError: there is no such language, or its file is wrong.
    """
    from sgseg_dicom.language.language import load_language

    return load_language(config.report.language, plain_ascii=config.report.plain_ascii)


def _health(config: Config, supervisor: "Supervisor", store: Store, jobs: "Jobs") -> "Health":
    """Check everything that an image needs to be received, judged and delivered."""
    from node.receive.figures import read_figures
    from node.service.status_page import Health

    ready = supervisor.ready
    problems = [f"'{name}' is starting, or has died" for name in supervisor.children if name not in ready]
    counts: dict[str, int] = {}
    try:
        store.require_space()
        store.require_writable()
        counts = jobs.counts()
        if results := store.quarantine.count_results():
            counts["results in quarantine"] = results
        if images := store.quarantine.count_images():
            counts["images in quarantine"] = images
        if hanging := jobs.in_work_since(time.time() - _HANGING_SECONDS):
            problems.append(
                f"{hanging} images have been in work for more than {_HANGING_SECONDS / 60:.0f} minutes: "
                "the worker or its device hangs; see the log, and restart the node"
            )
    except StorageUnavailable as error:
        problems.append(str(error))
    port = ready["receive"]["port"] if "receive" in ready else config.receive.port
    return Health(
        problems=tuple(problems),
        address=_address(config, port),
        destinations=tuple(destination.name for destination in config.destination),
        counts=counts,
        associations=read_figures(store.folder) if "receive" in ready else {},
    )


def _address(config: Config, port: int) -> str:
    """Give the address to send to: where all addresses are listened on, the name of this machine."""
    host = config.receive.host
    here = socket.gethostname() if host in ("0.0.0.0", "::") else host
    return f"{config.receive.ae_title} at {here}:{port}" + (
        " (TLS)" if config.receive.certificate_file else ""
    )


def _receivers(config: Config) -> str:
    """Name the places where results go."""
    names = [f"{peer.name} ({peer.address})" for peer in config.destination]
    return " and ".join(names) or str(config.store.folder / "results")


def child_command(role: str) -> list[str]:
    """Give the command that runs receiver or worker (*role*) under the supervisor."""
    # -P: import the installed package, and not modules in the folder from which the node was started.
    return [sys.executable, "-P", "-m", "node.cli", role, "--supervised"]
