"""
The model, for all judging processes of a worker: one process holds it, and another one takes its place when it ends.

Images that wait at the same time become one batch (`sgseg_dicom.inference.segmenter`).
"""

import multiprocessing
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from node.failures import ImageTooSlow, ProcessEnded
from node.judge.child_process import ChildProcess
from node.judge.messages import Answer, Batch, Loaded
from node.judge.model_child import LoadModel, serve_model
from sgseg_dicom.config import Config
from sgseg_dicom.errors import InferenceError, SgsegError, WeightsError
from sgseg_dicom.inference.segmenter import Segmenter
from sgseg_dicom.model_records import Algorithm, ModelInput, Prediction

if TYPE_CHECKING:
    from sgseg_dicom.inference.runtime import Runtime

log = structlog.get_logger(__name__)

START_SECONDS = 600.0
"""How long a process may load and warm up; a GPU compiles its kernels at the first start."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_JUDGING = "the model gave no answer within {seconds:g} s ([queue] inference_seconds)"
_LOADING = "the model was not loaded within {seconds:g} s"


class Model:
    """
    A `sgseg_dicom.pipeline.Segmenter`, safe to call from many threads. Its process starts at once.

    Args:
        config: the settings.
        load: gives the network, in the process; a function of a module.
    """

    def __init__(self, config: Config, load: LoadModel) -> None:
        self._network = _Network(config, load)
        self._segmenter: Segmenter | None = None

    def wait_ready(self) -> Loaded:
        """
        Wait until it judges.

        Raises:
            SgsegError: it cannot be loaded; as *load* raised it.
            ProcessDied: its process ended before.
            ImageTooSlow: its process hung.
        """
        loaded = self._network.wait_first()
        self._segmenter = Segmenter(self._network)
        return loaded

    @property
    def algorithm(self) -> Algorithm:
        """Who judges; known after `wait_ready`."""
        return self._network.algorithm

    @property
    def is_able(self) -> bool:
        """False while its process cannot be started."""
        return self._network.is_able

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self._network.pid

    @property
    def is_alive(self) -> bool:
        """False after its process has ended."""
        return self._network.is_alive

    def __call__(self, model_input: ModelInput) -> Prediction:
        """
        Judge one image.

        Raises:
            InferenceError: the device failed, or the answer to this image is not a number.
            ProcessEnded: the model's process hung or died at this image.
        """
        if self._segmenter is None:
            raise InferenceError("the model is not loaded yet")
        return self._segmenter(model_input)

    def close(self) -> None:
        """Kill its process; who waits for it gets an InferenceError."""
        self._network.close()
        if self._segmenter is not None:
            self._segmenter.close()


class _Network:
    """A `sgseg_dicom.inference.segmenter.Judge` whose work is done in a process; for one thread."""

    def __init__(self, config: Config, load: LoadModel) -> None:
        self._seconds = config.queue.inference_seconds
        # A fresh process, not a fork of the judging processes' server: it imports less, and beside that server.
        context = multiprocessing.get_context("spawn")
        self._start = partial(ChildProcess, context, serve_model, config.to_json(), load)
        self._process = self._start()
        self._loaded: Loaded | None = None
        self._closed = threading.Event()
        self._is_started, self._is_ready = True, False
        self._ended_at: bytes | None = None
        """The image at which the process ended last, where it has judged none since."""
        self.is_able = True

    @property
    def _about(self) -> Loaded:
        if self._loaded is None:
            raise InferenceError("the model is not loaded yet")
        return self._loaded

    @property
    def algorithm(self) -> Algorithm:
        return self._about.algorithm

    @property
    def runtime(self) -> "Runtime":
        return self._about.runtime

    @property
    def max_batch(self) -> int:
        return self._about.max_batch

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive

    def wait_first(self) -> Loaded:
        """Wait for the first process; see `Model.wait_ready`."""
        self._loaded = self._answer(START_SECONDS, what=_LOADING)
        self._is_ready = True
        return self._about

    def judge_each(self, inputs: Sequence[ModelInput]) -> list[Prediction | SgsegError]:
        """
        Judge a batch. An image at which the process ends harms no other one: each is judged again, alone.

        Raises:
            InferenceError: the device failed.
            ProcessEnded: the process hung or died, at a batch of one.
        """
        self._require_process()
        try:
            self._process.send(Batch(inputs))
            judged: list[Prediction | SgsegError] = self._answer(self._seconds, what=_JUDGING)
        except (ProcessEnded, InferenceError) as error:
            self._replace(str(error))
            if isinstance(error, InferenceError):
                raise
            if len(inputs) > 1:
                return [self._judged_alone(one) for one in inputs]
            self._require_its_fault(inputs[0], error)
            raise
        self._ended_at = None
        return judged

    def _require_its_fault(self, one: ModelInput, error: ProcessEnded) -> None:
        """
        Find out whether an image is the cause of the process's end.

        Raises:
            InferenceError: the process ended at another image before, and has judged none since: it is the device.
        """
        before, self._ended_at = self._ended_at, one.pixels.tobytes()
        if before is not None and before != self._ended_at:
            raise InferenceError(
                f"{error}; it ended so at the image before, too: the device hangs, or the machine is overloaded; see "
                "the log, and raise [queue] inference_seconds where the machine is slow"
            ) from error

    def _judged_alone(self, one: ModelInput) -> Prediction | SgsegError:
        try:
            return self.judge_each([one])[0]
        except (ProcessEnded, InferenceError) as error:
            return error

    def close(self) -> None:
        self._closed.set()
        self._process.kill()

    def _answer(self, seconds: float, *, what: str) -> Any:
        """Wait for the process's answer; *what* takes longer than so many seconds, where there is none."""
        if not self._process.has_answered(within=seconds):
            raise ImageTooSlow(f"{what.format(seconds=seconds)}; its process was killed")
        answer: Answer[Any] = self._process.receive(doing="in the model")
        if answer.error is not None:
            raise answer.error
        return answer.value

    def _require_same(self, loaded: Loaded) -> None:
        """
        Refuse another model than that of the start: results name it, and compare films that it judged.

        Raises:
            WeightsError: weights, device or precision are others now.
        """
        before = self._about
        if (loaded.algorithm, str(loaded.runtime)) != (before.algorithm, str(before.runtime)):
            raise WeightsError(
                f"the model was {before.algorithm.version} by {before.runtime}, and would now be "
                f"{loaded.algorithm.version} by {loaded.runtime}: weights or device have changed while the node ran; "
                "restart it"
            )

    def _replace(self, why: str) -> None:
        """Kill the process and start another one; the next image waits for it."""
        if self._closed.is_set():
            return
        log.warning("model_replaced", pid=self._process.pid, detail=why)
        self._process.kill()
        self._is_started = self._is_ready = False
        with suppress(OSError):  # no more processes or files: it is tried again before the next image
            self._begin()

    def _begin(self) -> None:
        self._process, self._is_started = self._start(), True

    def _require_process(self) -> None:
        """Wait for a process that judges, as often as it takes."""
        if self._is_ready and not self._process.is_alive:
            self._replace("it ended without an image")
        pause = _FIRST_PAUSE
        while not self._is_ready and not self._closed.is_set():
            try:
                if not self._is_started:
                    self._begin()
                self._require_same(self._answer(START_SECONDS, what=_LOADING))
                self._is_ready = self.is_able = True
            except (SgsegError, OSError) as error:
                self.is_able = False
                log.error("model_not_started", detail=str(error), pause_seconds=pause)
                self._closed.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                self._replace("it could not be loaded")
        if self._closed.is_set():
            raise InferenceError("the node stops")
