"""
A few judging processes, warm and waiting, with one image each. One that hangs is killed, and another one starts.

The processes are forked from a server that has imported everything (multiprocessing's "forkserver"). So a new one is
ready within a second or two. The model is in a process of its own, once for all of them (`node.judge.model`).
"""

import multiprocessing
import queue
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import structlog

from node.failures import OutOfMemory, ProcessEnded
from node.judge.child import Load
from node.judge.judged import Judged
from node.judge.messages import Loaded, Order
from node.judge.model import Model
from node.judge.model_child import LoadModel
from node.judge.process import JudgingProcess
from node.judge.room import Room
from node.store.encoded_object import EncodedObject
from sgseg_dicom.comparison.films import Earlier, no_earlier
from sgseg_dicom.config import Config
from sgseg_dicom.errors import SgsegError
from sgseg_dicom.result_kinds import Wanted

log = structlog.get_logger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_KEPT_SHARE = 0.25
"""A process that keeps so much of the budget when its image is done is replaced."""


class Pool:
    """
    A `node.judge.judged.Judge` whose work is done in processes; safe to call from many threads.

    The processes start at once. Nothing is judged before `wait_ready`.

    Args:
        config: the settings.
        load: gives the pipeline, in each process; a function of a module.
        load_model: gives the network, in the model's process; a function of a module.
        imports: modules that are imported once for all judging processes.
    """

    def __init__(
        self, config: Config, load: Load, load_model: LoadModel, *, imports: Sequence[str] = ()
    ) -> None:
        self._config, self._load = config, load
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(imports))
        self._room = Room(config.queue.max_megapixels)
        self._budget = config.queue.memory_megabytes << 20
        self._idle: queue.LifoQueue[JudgingProcess] = queue.LifoQueue()  # the last one has the warmest caches
        self._closed = threading.Event()
        self._cannot_start = False
        self._places: dict[int, JudgingProcess] = {}
        self._model = Model(config, load_model)
        with ExitStack() as stack:
            stack.callback(self.close)
            self._places[0] = self._started()
            stack.pop_all()

    def wait_ready(self) -> Loaded:
        """
        Wait until images can be judged, and tell what model judges them.

        Raises:
            SgsegError: pipeline or model cannot be loaded; as *load* or *load_model* raised it.
        """
        loaded = self._model.wait_ready()
        self._places[0].wait_ready()
        self._idle.put(self._places[0])
        # One after the other: two that warm up at the same time take twice as long, and the first can work already.
        threading.Thread(target=self._start_others, daemon=True).start()
        return loaded

    def __call__(
        self,
        path: Path,
        *,
        wanted: Mapping[str, Wanted],
        seconds: dict[str, float],
        earlier: Earlier = no_earlier,
    ) -> Judged:
        """
        Judge one stored radiograph.

        Raises:
            ProcessEnded: its process had to be killed, or died.
            SgsegError: as `sgseg_dicom.pipeline.Pipeline`.
        """
        return cast(Judged, self._obeyed(Order(path=path, wanted=dict(wanted)), seconds, earlier))

    def not_judged(self, path: Path, error: SgsegError) -> EncodedObject:
        """
        Write for one stored image that it was not judged.

        Raises:
            ProcessEnded: its process had to be killed, or died.
            SgsegError: as `sgseg_dicom.pipeline.Pipeline.not_judged`.
        """
        return cast(EncodedObject, self._obeyed(Order(path=path, error=error), {}, no_earlier))

    @property
    def is_able(self) -> bool:
        """False while no process can be started, because the device is gone for example."""
        judges = not self._cannot_start or any(process.is_able for process in self._processes)
        return judges and self._model.is_able

    @property
    def _processes(self) -> list[JudgingProcess]:
        return list(self._places.values())

    def close(self) -> None:
        """Kill all processes."""
        self._closed.set()
        self._model.close()
        for process in self._processes:
            process.kill()

    def _obeyed(self, order: Order, seconds: dict[str, float], earlier: Earlier) -> object:
        """Let a process do it, and replace the process where it is not fit for the next order."""
        process, unfit = self._take(), "it gave no answer"
        try:
            answer = process.ask(order, watch=self._require_memory, earlier=earlier)
            unfit = self._why_unfit(process)
        except ProcessEnded as error:
            unfit = str(error)
            raise
        finally:
            if unfit:
                self._replace(process, file=order.path.name, detail=unfit)
            else:
                self._idle.put(process)
        seconds.update(answer.seconds)
        if answer.error is not None:
            raise answer.error
        return answer.value

    def _why_unfit(self, process: JudgingProcess) -> str:
        """Say why a process must not get another order; "" where it may."""
        return "it keeps too much memory" if process.kept_bytes > _KEPT_SHARE * self._budget else ""

    def _take(self) -> JudgingProcess:
        """Wait for a process that is idle."""
        while not (process := self._idle.get()).is_alive:
            self._replace(process, file="", detail="it ended without an image")
        return process

    def _require_memory(self, process: JudgingProcess) -> None:
        """
        Find out whether all images in work fit, by the process that takes most.

        Raises:
            OutOfMemory: they do not, and it is *process*.
        """
        taken = {one: one.taken_bytes for one in self._processes}
        if sum(taken.values()) > self._budget and taken[process] == max(taken.values()):
            raise OutOfMemory(
                f"the image took {taken[process] >> 20} MB in stage '{process.stage}', more than [queue] "
                "memory_megabytes allows; its process was killed"
            )

    def _replace(self, process: JudgingProcess, *, file: str, detail: str) -> None:
        """Kill a process, and start another one in the background."""
        if not self._closed.is_set():
            log.warning("judge_replaced", pid=process.pid, file=file, detail=detail)
        process.kill()
        place = next(place for place, one in self._places.items() if one is process)
        threading.Thread(target=self._fill, args=(place,), daemon=True).start()

    def _start_others(self) -> None:
        for place in range(1, self._config.queue.processes):
            self._fill(place)

    def _fill(self, place: int) -> None:
        """Start a process in a place, as often as it takes."""
        pause = _FIRST_PAUSE
        while not self._closed.is_set():
            try:
                self._start(place)
            except (
                SgsegError,
                OSError,
                EOFError,
            ) as error:  # OSError: no more files; EOFError: no fork server
                log.error("judge_not_started", detail=str(error), pause_seconds=pause)
                self._cannot_start = True
                if place in self._places:
                    self._places[place].kill()
                self._closed.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._cannot_start = False
                return

    def _start(self, place: int) -> None:
        """Start a process in a place, and let it take orders when it is ready."""
        process = self._places[place] = self._started()
        process.wait_ready()
        if self._closed.is_set():
            process.kill()
        else:
            self._idle.put(process)

    def _started(self) -> JudgingProcess:
        return JudgingProcess(self._context, self._config, self._load, room=self._room, model=self._model)
