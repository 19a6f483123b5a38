"""
Segmenter: ModelInput -> Prediction, callable from many threads at once. All inputs that wait become one batch.

`sgseg_dicom.inference.network` judges the batches. Nothing else holds state of the device.
"""

import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from sgseg_dicom.errors import InferenceError, WeightsError
from sgseg_dicom.inference.network import Network, load_network
from sgseg_dicom.model_records import ModelInput, Prediction
from sgseg_dicom.preprocess import INPUT_SIZE
from sgseg_dicom.release.manifest import packaged_weights

MAX_BATCH = {"cuda": 64, "cpu": 4}
"""Most images in one batch: enough to fill a GPU. On a CPU larger batches only make each image wait longer."""


class Segmenter:
    """
    Takes inputs from many threads, and judges them on one device thread.

    The inputs that wait while a batch runs become the next batch.

    Attributes:
        algorithm: name, version and digest of the weights.
    """

    def __init__(self, network: Network) -> None:
        self.algorithm = network.algorithm
        self._network = network
        self._closed = False
        self._closing = threading.Lock()
        self._waiting: queue.SimpleQueue[tuple[ModelInput, Future[Prediction]] | None] = queue.SimpleQueue()
        self._device = ThreadPoolExecutor(1, thread_name_prefix="device")
        self._thread = threading.Thread(target=self._serve, name="batches", daemon=True)
        self._thread.start()

    def __call__(self, model_input: ModelInput) -> Prediction:
        """
        Judge one image. The call returns when its batch is done.

        Raises:
            InferenceError: the device failed, or the segmenter was closed.
        """
        future: Future[Prediction] = Future()
        with self._closing:  # nothing may be put behind the end: it would never be judged
            if self._closed:
                raise InferenceError("the segmenter is closed")
            self._waiting.put((model_input, future))
        return future.result()

    def warm_up(self) -> None:
        """Judge a blank image: the first run compiles and allocates, and no patient should wait for that."""
        self(ModelInput(pixels=np.zeros((INPUT_SIZE, INPUT_SIZE), dtype=np.float32)))

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
            run: Future[list[Prediction]] = self._device.submit(
                self._network.judge, [model_input for model_input, _ in batch]
            )
            error = run.exception()
            for place, (_, future) in enumerate(batch):
                if error is None:
                    future.set_result(run.result()[place])
                else:
                    future.set_exception(error)
            if last:
                break
        self._device.shutdown()

    def _drain(
        self, first: tuple[ModelInput, Future[Prediction]]
    ) -> tuple[list[tuple[ModelInput, Future[Prediction]]], bool]:
        batch = [first]
        while len(batch) < MAX_BATCH[self._network.device.type] and not self._waiting.empty():
            item = self._waiting.get()
            if item is None:
                return batch, True
            batch.append(item)
        return batch, False


def load_segmenter(weights: Path | None = None, *, device: str = "auto") -> Segmenter:
    """
    Load a `Network` and let many threads ask it. It judges whatever it is given: the image check comes before it.

    Raises:
        WeightsError: as `load_network`, or they are neither calibrated nor measured.
        ConfigError: the device is not there.
    """
    network = load_network(weights, device=device)
    if not network.manifest.metrics:
        folder = weights or packaged_weights()
        raise WeightsError(
            f"the weights in {folder} are neither calibrated nor measured: `sgseg-train export` does both"
        )
    return Segmenter(network)
