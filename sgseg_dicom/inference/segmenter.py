"""
Segmenter: ModelInput -> Prediction, whatever waits as one batch; the only holder of device state.

`Network` runs batches; `Segmenter` lets many threads ask it one image each.
"""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sgseg_dicom.errors import ConfigError, InferenceError, WeightsError
from sgseg_dicom.inference.ensemble import Words, judge_by, looks_of
from sgseg_dicom.model.sgseg import SGSeg
from sgseg_dicom.model.weights import Manifest, Thresholds, load_members, packaged_weights
from sgseg_dicom.model_records import Algorithm, ModelInput, Prediction
from sgseg_dicom.preprocess import INPUT_SIZE
from sgseg_dicom.zones import ZoneBits

GuidedBy = Literal["generated", "ground-truth", "none"]

MAX_BATCH = {"cuda": 64, "cpu": 4}
"""Images in one batch at most: a GPU is filled, and a CPU gains nothing but latency from more."""


class Network:
    """
    Loaded weights on their device: half precision on a GPU, bf16 on a CPU that has it, else float32.

    Args:
        members: one model or several that judge together, in evaluation mode.
        manifest: of their weights.
        device: "auto", "cpu" or "cuda".

    Raises:
        ConfigError: "cuda" where there is none.
    """

    def __init__(self, members: Sequence[SGSeg], manifest: Manifest, *, device: str = "auto") -> None:
        self.device = _choose(device)
        self.manifest = manifest
        self.members = [member.to(self.device).to(memory_format=torch.channels_last) for member in members]
        self._looks = looks_of(self.members, flip=manifest.test_time_flip, sizes=manifest.test_time_sizes)
        self.precision = _precision(self.device)
        self.algorithm = Algorithm(
            name=manifest.name, version=manifest.version, weights_digest=manifest.identity
        )

    def judge(
        self,
        inputs: Sequence[ModelInput],
        *,
        guided_by: GuidedBy = "generated",
        zones: Sequence[ZoneBits] | None = None,
    ) -> list[Prediction]:
        """
        Judge a batch; where the GPU's memory is too small for it, halves of it.

        Args:
            inputs: at least one.
            guided_by: "generated", the model's own report, is what the node does; the others are for evaluation.
            zones: the true zones of each image, for "ground-truth" only.

        Raises:
            InferenceError: the device failed, or a single image is too much for its memory.
        """
        try:
            return self._run(inputs, guided_by, zones)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            if len(inputs) == 1:
                raise InferenceError(
                    'the GPU\'s memory is too small for one image; free it, or set device = "cpu"'
                ) from None
        except RuntimeError as error:
            raise InferenceError(f"the device failed: {error}") from error
        half = len(inputs) // 2
        first, second = (None, None) if zones is None else (zones[:half], zones[half:])
        return [
            *self.judge(inputs[:half], guided_by=guided_by, zones=first),
            *self.judge(inputs[half:], guided_by=guided_by, zones=second),
        ]

    @torch.inference_mode()
    def logits(
        self,
        inputs: Sequence[ModelInput],
        *,
        guided_by: GuidedBy = "generated",
        zones: Sequence[ZoneBits] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """
        Give what the networks say, nothing calibrated nor decided: see `judge`.

        Returns:
            float32, on the CPU: mask logits (B, 1, 224, 224), zone logits (B, 6).

        Raises:
            InferenceError: an answer is not a number.
        """
        images = torch.from_numpy(np.stack([item.pixels for item in inputs])).unsqueeze(1).to(self.device)
        told = None if guided_by != "ground-truth" else torch.tensor(zones, device=self.device) * 2.0 - 1.0
        with self._cast():
            mask_logits, zone_logits = judge_by(self._looks, images, self._words(guided_by), told=told)
        # Every comparison with NaN is False: it would read as "no infection".
        if not (mask_logits.isfinite().all() and zone_logits.isfinite().all()):
            raise InferenceError(
                'the network\'s answer is not a number; see the image, or set device = "cpu"'
            )
        return mask_logits.float().cpu(), zone_logits.float().cpu()

    def _run(
        self, inputs: Sequence[ModelInput], guided_by: GuidedBy, zones: Sequence[ZoneBits] | None
    ) -> list[Prediction]:
        mask_logits, zone_logits = self.logits(inputs, guided_by=guided_by, zones=zones)
        calibration = self.manifest.calibration
        masks = (mask_logits / calibration.mask_temperature).sigmoid()[:, 0].numpy()
        chances = (zone_logits / calibration.zone_temperature).sigmoid().numpy()
        if guided_by == "ground-truth":
            chances = np.array(zones, dtype=np.float32)  # the report is given, so its zones are
        return [
            decide(mask, chance, self.manifest.thresholds)
            for mask, chance in zip(masks, chances, strict=True)
        ]

    def _words(self, guided_by: GuidedBy) -> Words:
        if guided_by == "generated":
            return lambda member, zone_logits: member.guide(zone_logits)
        if guided_by == "none":
            return lambda member, zone_logits: member.reports.none(len(zone_logits))
        return lambda member, zone_logits: member.reports.hard(zone_logits > 0)

    def _cast(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, self.precision, enabled=self.precision is not torch.float32)


class Segmenter:
    """
    Many threads in, one device thread: what waits while a batch runs becomes the next batch.

    Attributes:
        algorithm: who judges.
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
        Judge one image; blocks until its batch is done.

        Raises:
            InferenceError: the device failed, or the segmenter was closed.
        """
        future: Future[Prediction] = Future()
        with self._closing:  # nothing may come behind the end: nobody would answer it
            if self._closed:
                raise InferenceError("the segmenter is closed")
            self._waiting.put((model_input, future))
        return future.result()

    def warm_up(self) -> None:
        """Judge a blank image: the first pass compiles and allocates, and no patient should wait for it."""
        self(ModelInput(pixels=np.zeros((INPUT_SIZE, INPUT_SIZE), dtype=np.float32)))

    def close(self) -> None:
        """Finish what waits, then stop the device thread."""
        with self._closing:
            self._closed = True
            self._waiting.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, last = self._drain(first)
            # A future of its own carries whatever is raised, defects included, to everybody in the batch.
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


def load_network(weights: Path | None = None, *, device: str = "auto") -> Network:
    """
    Load the weights in folder *weights*, or those that ship.

    Raises:
        WeightsError: weights, manifest and code do not belong together.
        ConfigError: the device is not there.
    """
    members, manifest = load_members(packaged_weights() if weights is None else weights)
    return Network(members, manifest, device=device)


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


def infection_score(zone_probabilities: NDArray[np.float32]) -> float:
    """
    Give 1 - product of (1 - p) over the zones: the probability that any is infected, were they independent.

    Of the scores tried on valid it tells infected from normal images best (training/LOG.md).
    """
    return float(1 - np.prod(1 - zone_probabilities.astype(np.float64)))


def decide(
    mask_probability: NDArray[np.float32], zone_probabilities: NDArray[np.float32], thresholds: Thresholds
) -> Prediction:
    """
    Judge: infected where `infection_score` reaches the infection threshold; else no zone and an empty mask.

    An infected image has at least its likeliest zone.
    """
    infected = infection_score(zone_probabilities) >= thresholds.infection
    named = zone_probabilities >= min(thresholds.zone, float(zone_probabilities.max()))
    upper_r, middle_r, lower_r, upper_l, middle_l, lower_l = (bool(infected and zone) for zone in named)
    return Prediction(
        mask_probability=mask_probability,
        zone_probabilities=zone_probabilities,
        threshold=thresholds.mask,
        mask=(mask_probability >= thresholds.mask) & infected,
        zones=(upper_r, middle_r, lower_r, upper_l, middle_l, lower_l),
    )


def _choose(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            '[model] device is "cuda", but no GPU can be used here; "auto" or "cpu" would be right'
        )
    return torch.device(device)


def _precision(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        return torch.float16
    return torch.bfloat16 if cpu_has_bf16() else torch.float32


def cpu_has_bf16() -> bool:
    """Say whether the processor computes in bf16; without AVX512-BF16 it is emulated, and slower than float32."""
    return torch.cpu._is_avx512_bf16_supported()  # torch has no public question for this
