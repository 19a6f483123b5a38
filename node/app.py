"""Builds all objects from the settings and connects them; the only module that knows them all."""

import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from node.audit.follower import SECONDS as FOLLOW_EVERY
from node.audit.follower import Follower
from node.audit.recorder import Note, recording
from node.audit.trail import Trail
from node.service.heartbeat import SECONDS as BEAT_EVERY
from node.service.heartbeat import Heartbeat
from node.service.housekeeping import (
    TRANSFER_SWEEP_SECONDS,
    delete_old,
    forget_measurements,
    queue_orphans,
    repeat,
)
from node.service.room import SECONDS as ROOM_EVERY
from node.service.room import Room
from node.store.fsync import storage
from node.store.store import Store, open_store
from node.time_limit import time_limit
from node.watch.counting import WorkCounts, counted
from node.watch.tally import SECONDS as COUNT_EVERY
from node.watch.tally import Tally
from node.watch.worker_state import SECONDS as STATE_EVERY
from node.watch.worker_state import StateFile, WorkerState
from sgseg_dicom.config import Config
from sgseg_dicom.errors import ConfigError, StorageUnavailable

if TYPE_CHECKING:
    from node.delivery.protocols import Sender
    from node.judge.asked_worker import AskedWorker
    from node.judge.judged import Judge
    from node.judge.messages import Loaded
    from node.receive.listener import Listener
    from node.service.readiness import Readiness
    from node.service.status_page import Page
    from node.service.supervisor import Ready, Supervisor
    from node.watch.teller import Tellers
    from node.work.lasting_jobs import LastingJobs
    from node.work.measurements import Measurements
    from node.work.queue import Jobs
    from node.work.worker import Worker
    from sgseg_dicom.inference.segmenter import Judge as Network
    from sgseg_dicom.inference.wanted import Wanted
    from sgseg_dicom.language.language import Language
    from sgseg_dicom.pipeline import Pipeline

# Receiver and worker are imported where they are needed: the receiver starts without torch, `--help` without both.

log = structlog.get_logger(__name__)

ReportReady = Callable[..., None]
COMPILED_FOLDER = "compiled"
"""In the store: the model as it was compiled for this processor. It is made again where it is missing."""
_PATIENCE_SECONDS = 10
_QUEUE_SECONDS = 5.0


def receive(config: Config, stop: threading.Event, ready: ReportReady) -> None:
    """
    Receive until *stop* is set: the receiver's process.

    Raises:
        StorageUnavailable: the store cannot be used, or the port is not free.
    """
    from node.receive import commitment_reports, scp
    from node.receive.listener import listen
    from node.store.commitments import Commitments
    from node.work.lasting_jobs import LastingJobs

    store = open_store(config)
    with store.claim("receive"), recording(config.audit, store.folder, role="receive") as note:
        swept = store.sweep_incoming()
        _say_if_full(store)
        jobs, tally = LastingJobs(store.folder), Tally(store.folder)
        note = counted(note, tally)
        contexts = scp.contexts()
        handlers = scp.handlers(
            store,
            jobs,
            answer_seconds=config.receive.answer_seconds,
            priority_places=config.queue.priority_places,
            note=note,
        )
        if commitment_reports.is_asked_for(config):
            contexts.append(commitment_reports.context())
            handlers.append(commitment_reports.handler(Commitments(store.folder / "commitments")))
        with _named_port(config):
            listener = listen(
                config.receive,
                contexts=contexts,
                handlers=handlers,
                spool=store.incoming,
                senders=config.sender,
                require_space=store.require_space,
                note=note,
            )
        log.info("receiving", host=config.receive.host, port=listener.port, swept=swept, pid=os.getpid())
        gc.freeze()  # what is loaded now stays: pynetdicom collects garbage after every 60 associations
        ready(host=config.receive.host, port=listener.port, pid=os.getpid())
        _in_background(stop, tally.write, every=COUNT_EVERY)
        _look_after_receiving(config, store, jobs, listener, stop)
        listener.stop(patience_seconds=5.0)
        tally.write()
        jobs.close()
    log.info("receiver_stopped")


@contextmanager
def _named_port(config: Config) -> Iterator[None]:
    """Turn the error that the receiver cannot listen into one that names the settings."""
    try:
        yield
    except OSError as error:
        where = f"[receive] host {config.receive.host}, port {config.receive.port}"
        raise StorageUnavailable(f"cannot listen on {where} ({error.strerror}); set another one") from error


def _look_after_receiving(
    config: Config, store: Store, jobs: "LastingJobs", listener: "Listener", stop: threading.Event
) -> None:
    """Write figures, notice a lost queue, and delete what broken transfers left, until *stop* is set."""
    from node.receive.figures import SECONDS as FIGURES_EVERY
    from node.receive.figures import Figures

    figures = Figures(store.folder)
    figures.write(listener.counts)
    _in_background(stop, lambda: figures.write(listener.counts), every=FIGURES_EVERY)
    _in_background(stop, jobs.look_after, every=_QUEUE_SECONDS)
    # An association without traffic for idle_seconds is aborted. So no transfer uses a file older than this.
    unused = 2 * config.receive.idle_seconds + TRANSFER_SWEEP_SECONDS
    repeat(
        stop,
        lambda: store.sweep_incoming(older_than_seconds=unused),
        every=TRANSFER_SWEEP_SECONDS,
    )


def work(
    config: Config,
    stop: threading.Event,
    ready: ReportReady,
    *,
    judge: "Callable[[Config], Judge] | None" = None,
) -> None:
    """
    Work until *stop* is set: the worker's process.

    Args:
        config: the settings.
        stop: set from outside.
        ready: called when the model is warm and jobs are taken.
        judge: makes what judges images; None: processes with the model (`node.judge.pool`).

    Raises:
        StorageUnavailable: the store cannot be used.
        ConfigError: a destination's secret, or the language of [report], cannot be used.
        WeightsError: weights and manifest do not belong together.
        ProcessDied: a judging process ended while it started.
        QueueLost: the queue's file was deleted, replaced or damaged. The next process rebuilds it.
    """
    from node.delivery.protocols import senders

    store = open_store(config)
    with store.claim("work"), ExitStack() as stack:
        receivers = senders(config)  # a secret that cannot be read stops the start before the model loads
        judging = (judge or _judging_processes)(config)
        stack.callback(judging.close)
        # Imported while the model loads in its process: dbos takes a second.
        from node.work import queue
        from node.work.database import Database
        from node.work.measurements import Measurements, read_key
        from node.work.queue_watch import QueueLost, QueueWatch
        from node.work.tables import make_tables
        from node.work.take_over import make_arrivals, take_over
        from node.work.workflows import Workflows

        swept = store.sweep_unfinished()
        file = queue.prepare(store.folder, thorough=True)
        for step in (make_tables, take_over, make_arrivals):
            step(file)
        loaded = judging.wait_ready()
        model = _said_of_what_is_loaded(config, loaded) if loaded else {}
        tally = Tally(store.folder)
        # Also where nothing is compared any more: what was kept must go in time.
        measurements = Measurements(Database(file), read_key(store.folder), clock=time.time)
        worker = _worker(config, store, judging, receivers, WorkCounts(tally), measurements)
        workflows = Workflows(
            file, worker, worker.deliveries, queue=config.queue, attempts=config.deliver.attempts
        )
        jobs = queue.Jobs(file)
        watch = QueueWatch(store.folder, on_lost=stop.set)
        workflows.launch()
        _show_life(store, lambda: judging.is_able and workflows.takes_images, stop)
        _tell_of_work(store, tally, worker, model, stop)
        log.info("working", swept=swept, pid=os.getpid())
        ready(pid=os.getpid())
        note = stack.enter_context(recording(config.audit, store.folder, role="work"))
        _keep_house(config, store, jobs, measurements, stop, note)
        watch.stop()
        if watch.why:  # steps that run now record nothing any more
            raise QueueLost(f"{watch.why}; the next start of the worker rebuilds the queue")
        jobs.close()
        workflows.stop(patience_seconds=_PATIENCE_SECONDS if worker.busy else 0)
        tally.write()
    log.info("worker_stopped")


def _worker(
    config: Config,
    store: Store,
    judging: "Judge",
    receivers: "Mapping[str, Sender]",
    counts: WorkCounts,
    measurements: "Measurements",
) -> "Worker":
    from node.work.worker import Worker

    return Worker(
        store=store,
        judge=judging,
        senders=receivers,
        patience=config.deliver,
        on_answered=counts.answered,
        on_delivered=counts.delivered,
        measurements=measurements if config.report.compare else None,
    )


def _tell_of_work(
    store: Store, tally: Tally, worker: "Worker", model: Mapping[str, str], stop: threading.Event
) -> None:
    """Write down, for other processes, what happens and how the destinations stand, until *stop* is set."""
    state = StateFile(store.folder)

    def tell() -> None:
        state.write(WorkerState(model=model, destinations=worker.deliveries.states()))

    tell()
    _in_background(stop, tell, every=STATE_EVERY)
    _in_background(stop, tally.write, every=COUNT_EVERY)


def _show_life(store: Store, is_able: Callable[[], bool], stop: threading.Event) -> None:
    """Give a sign of life now and every second, while images are taken and can be judged."""
    with storage(store.folder):
        heartbeat = Heartbeat(store.folder)

    def beat() -> None:
        if is_able():
            heartbeat.beat()

    beat()
    _in_background(stop, beat, every=BEAT_EVERY)


def _keep_house(
    config: Config,
    store: Store,
    jobs: "Jobs",
    measurements: "Measurements",
    stop: threading.Event,
    note: Note,
) -> None:
    """Adopt what has no job, delete what is old, make room, and write the audit trail, until *stop* is set."""
    trail = Trail(store.folder)
    room = Room(store, jobs, below_bytes=config.store.room_bytes, note=note)

    def tidy() -> None:
        now = datetime.now(UTC)
        delete_old(store, jobs, config.store.keep_days, now=now, note=note)
        forget_measurements(measurements, config.store.keep_measurements_days, now=now)
        queue_orphans(store, jobs, stop=stop)
        with time_limit(_PATIENCE_SECONDS):  # somebody may hold the trail's lock for ever
            trail.forget(config.audit.keep_days, now=now)

    beside = [_in_background(stop, room.make, every=ROOM_EVERY)]
    if config.audit.enabled:
        follower = Follower(trail, jobs, store)
        beside.append(_in_background(stop, follower.look, every=FOLLOW_EVERY, at_the_end=follower.look))
    queue_orphans(store, jobs, stop=stop)
    repeat(stop, tidy)
    for thread in beside:  # they use the queue, which closes next
        thread.join(_PATIENCE_SECONDS)


def start(
    config: Config,
    stop: threading.Event,
    *,
    show: Callable[[str], None],
    read_again: "Callable[[], Config] | None" = None,
    asked_to_reload: threading.Event | None = None,
) -> int:
    """
    Run receiver, worker and status page until *stop* is set; give the exit status.

    Args:
        config: the settings.
        stop: set from outside.
        show: gets the text for the administrator when both processes are ready.
        read_again: reads the settings again.
        asked_to_reload: set from outside when that shall be done.

    Raises:
        ConfigError: something would be wrong at every start; one line each.
        StorageUnavailable: the store cannot be used, or the page's port is not free.
    """
    from node.doctor.before_start import require_startable
    from node.service.readiness import Readiness
    from node.service.reload import Reload
    from node.service.supervisor import Supervisor
    from node.work.lasting_jobs import LastingJobs

    require_startable(config)  # before the receiver takes an image
    store = open_store(config)
    jobs = LastingJobs(store.folder)
    supervisor = Supervisor(config, {role: child_command(role) for role in ("receive", "work")})
    reload = Reload(
        config, read=read_again or (lambda: config), check=require_startable, restart=supervisor.restart
    )
    health = Readiness(
        lambda: reload.config, supervisor, store, jobs, echo=lambda port: _why_no_echo(reload.config, port)
    )
    page, tellers = _watching(lambda: reload.config, store, health, supervisor)

    def on_ready(ready: "Mapping[str, Ready]") -> None:
        show(greeting(config, port=ready["receive"]["port"], page_port=page.port))

    def on_tick() -> None:
        if asked_to_reload is not None and asked_to_reload.is_set():
            asked_to_reload.clear()
            reload()

    try:
        return supervisor.run(stop, on_ready=on_ready, on_tick=on_tick)
    finally:
        tellers.stop()
        page.stop()
        jobs.close()


def _watching(
    config: Callable[[], Config], store: Store, health: "Readiness", supervisor: "Supervisor"
) -> "tuple[Page, Tellers]":
    """Show how the node stands on the page, and tell those whom [notify] names; give both while they run."""
    from node.service.status_page import Page, build
    from node.watch.lookout import Lookout
    from node.watch.metrics import Metrics
    from node.watch.teller import Tellers

    metrics = Metrics(config, store, health=health.recent, pids=lambda: supervisor.pids)
    settings = config().page
    page = Page(build(health, metrics=metrics, names=settings.names), host=settings.host, port=settings.port)
    page.start()
    tellers = Tellers(config, store.folder, Lookout(config, store, health=health))
    tellers.start()
    return page, tellers


def _why_no_echo(config: Config, port: int) -> str:
    """Ask the receiver on *port* as a sender would; say in a sentence why it does not answer, "" where it does."""
    from node.receive.self_echo import why_no_echo
    from node.tls.own_receiver import own_context

    try:
        return why_no_echo(config.receive, port, tls=own_context(config.receive))
    except ConfigError as error:  # a certificate file was changed while the node runs
        return str(error)


def _say_if_full(store: Store) -> None:
    """Say at the start that no image can be taken yet. The node runs, and takes them when there is room."""
    try:
        store.require_space()
    except StorageUnavailable as error:
        log.warning("store_full", detail=f"{error}. Until then senders get A700")


def _in_background(
    stop: threading.Event,
    action: Callable[[], object],
    *,
    every: float,
    at_the_end: Callable[[], object] = lambda: None,
) -> threading.Thread:
    """Call *action* every so many seconds, in a thread, until *stop* is set; then call *at_the_end*."""

    def run() -> None:
        repeat(stop, action, every=every)
        at_the_end()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def greeting(config: Config, *, port: int, page_port: int) -> str:
    """Tell where to send images, where results go, and which destinations get no report of images not judged."""
    from node.service.readiness import address_of

    text = (
        f"Send chest radiographs to {address_of(config, port)}; results go to {_receivers(config)}; "
        f"status on http://{config.page.host}:{page_port}"
    )
    if silent := [destination.name for destination in config.destination if not destination.not_judged]:
        text += (
            f"\n{', '.join(silent)}: nothing is sent for an image that was not judged. No result never means normal; "
            "not_judged = true sends a report that says so."
        )
    return text


def _judging_processes(config: Config) -> "Judge":
    """Start the processes in which images are judged."""
    from node.judge.pool import Pool

    return Pool(config, load_pipeline, load_model, imports=("node.judge.imports",))


def _said_of_what_is_loaded(config: Config, loaded: "Loaded") -> Mapping[str, str]:
    """Write it into the log, and into the store for the page and `status`; give it for the worker's state."""
    from node.service.loaded_model import write_runtime

    log.info("model_loaded", runtime=str(loaded.runtime), weights=loaded.algorithm.version)
    write_runtime(config.store.folder, str(loaded.runtime))
    algorithm = loaded.algorithm
    return {
        "name": algorithm.name,
        "version": algorithm.version,
        "weights": algorithm.weights_digest,
        "runtime": str(loaded.runtime),
    }


def load_model(config: Config) -> "Network":
    """
    Load the real network, and let it judge a blank image: no patient waits for kernels.

    Raises:
        WeightsError: weights, heads and graph do not belong together.
        ConfigError: the device is not there, or what is wanted is not installed.
        InferenceError: the device fails.
    """
    # torch's threads spin while they wait, unless this is set before it is loaded. Where other processes work on
    # the same processors, an image then takes several times as long (measured: 0.86 and 0.31 s).
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from sgseg_dicom.inference.load import load_measured
    from sgseg_dicom.inference.segmenter import warm_up

    network = load_measured(config.weights_folder, wanted_of(config))
    warm_up(network)
    return network


def load_pipeline(config: Config, segmenter: "AskedWorker") -> "Pipeline":
    """
    Make the pipeline around the model, and warm up the rest of it: no patient waits for an import.

    Args:
        config: the settings.
        segmenter: the model, in a process of its own; and room for large images.

    Raises:
        ConfigError: the language cannot be used.
        WeightsError: the image check cannot be loaded.
    """
    from node.judge.warm_up import warm_up
    from sgseg_dicom.comparison.repeatability import repeatability_of
    from sgseg_dicom.inference.image_check import load_image_check
    from sgseg_dicom.pipeline import Pipeline

    pipeline = Pipeline(
        segmenter=segmenter,
        image_check=load_image_check() if config.model.image_check else None,
        clock=lambda: datetime.now().astimezone(),
        language=language_of(config),
        picture_style=config.report.picture_style,
        undeclared_character_set=config.receive.undeclared_character_set,
        require_room=segmenter.require_room,
        repeatability=repeatability_of(config.weights_folder) if config.report.compare else None,
    )
    warm_up(pipeline)
    return pipeline


def wanted_of(config: Config) -> "Wanted":
    """Give what [model] wants to run it. What was compiled is kept in the store, unless another folder is named."""
    from sgseg_dicom.inference.wanted import Wanted

    model = config.model
    return Wanted(
        device=model.device,
        runtime=model.runtime,
        precision=model.precision,
        threads=model.threads,
        cache=Path(model.compiled_folder) if model.compiled_folder else config.store.folder / COMPILED_FOLDER,
    )


def language_of(config: Config) -> "Language":
    """
    Give the language of the results.

    Raises:
        ConfigError: there is no such language, or its file is wrong.
    """
    from sgseg_dicom.language.language import load_language

    return load_language(config.report.language, plain_ascii=config.report.plain_ascii)


def _receivers(config: Config) -> str:
    """Name the places where results go."""
    names = [f"{peer.name} ({peer.address})" for peer in config.destination]
    return " and ".join(names) or str(config.store.folder / "results")


def child_command(role: str) -> list[str]:
    """Give the command that runs receiver or worker (*role*) under the supervisor."""
    # -P: import the installed package, and not modules in the folder from which the node was started.
    return [sys.executable, "-P", "-m", "node.cli", role, "--supervised"]
