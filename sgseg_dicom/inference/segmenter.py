"""
Segmenter: ModelInput -> Prediction, callable from many threads at once. All inputs that wait become one batch.

`sgseg_dicom.inference.load` chooses what judges the batches. Nothing else holds state of the device.
"""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np

from sgseg_dicom.errors import InferenceError, SgsegError
from sgseg_dicom.inference.runtime import Runtime
from sgseg_dicom.model_records import INPUT_SIZE, Algorithm, ModelInput, Prediction

_Waiting = tuple[ModelInput, Future[Prediction]]


class Judge(Protocol):
    """A loaded network (`sgseg_dicom.inference.network`, `sgseg_dicom.inference.exported_network`)."""

    @property
    def algorithm(self) -> Algorithm:
        """Who judges."""
        ...

    @property
    def runtime(self) -> Runtime:
        """What runs it."""
        ...

    @property
    def max_batch(self) -> int:
        """Most images in one batch."""
        ...

    def judge_each(self, inputs: Sequence[ModelInput]) -> Sequence[Prediction | SgsegError]:
        """Judge a batch; give for each image its prediction, or why it has none."""
        ...


class Segmenter:
    """
    Takes inputs from many threads, and judges them on one device thread.

    The inputs that wait while a batch runs become the next batch.

    Attributes:
        algorithm: name, version and digest of the weights.
        runtime: what runs the model.
    """

    def __init__(self, network: Judge) -> None:
        self.algorithm = network.algorithm
        self.runtime = network.runtime
        self._network = network
        self._closed = False
        self._closing = threading.Lock()
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._device = ThreadPoolExecutor(1, thread_name_prefix="device")
        self._thread = threading.Thread(target=self._serve, name="batches", daemon=True)
        self._thread.start()

    def __call__(self, model_input: ModelInput) -> Prediction:
        """
        Judge one image. The call returns when its batch is done.

        Raises:
            InferenceError: the device failed, the answer to this image is not a number, or the segmenter was closed.
        """
        future: Future[Prediction] = Future()
        with self._closing:  # nothing may be put behind the end: it would never be judged
            if self._closed:
                raise InferenceError("the segmenter is closed")
            self._waiting.put((model_input, future))
        return future.result()

    def close(self) -> None:
        """Judge the inputs that wait, then stop the device thread."""
        with self._closing:
            self._closed = True
            self._waiting.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, last = self._drain(first)
            # This future hands any exception, also a defect, to all callers of the batch.
            run = self._device.submit(self._network.judge_each, [model_input for model_input, _ in batch])
            error = run.exception()
            for place, (_, future) in enumerate(batch):
                judged = error if error is not None else run.result()[place]
                if isinstance(judged, Prediction):
                    future.set_result(judged)
                else:
                    future.set_exception(judged)
            if last:
                break
        self._device.shutdown()

    def _drain(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        batch = [first]
        while len(batch) < self._network.max_batch and not self._waiting.empty():
            item = self._waiting.get()
            if item is None:
                return batch, True
            batch.append(item)
        return batch, False


def warm_up(network: Judge) -> None:
    """
    Judge a blank image: the first run compiles and allocates, and no patient should wait for that.

    Raises:
        InferenceError: the device failed.
    """
    (judged,) = network.judge_each([ModelInput(pixels=np.zeros((INPUT_SIZE, INPUT_SIZE), dtype=np.float32))])
    if isinstance(judged, SgsegError):
        raise judged
