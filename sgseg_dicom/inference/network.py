"""Network: a batch of ModelInputs -> as many Predictions, by torch, on the device of the weights."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sgseg_dicom.errors import ConfigError, InferenceError
from sgseg_dicom.inference.decision import Judged, algorithm_of, judged_each
from sgseg_dicom.inference.ensemble import Guide
from sgseg_dicom.inference.raw_answers import RawAnswers, RawHeads
from sgseg_dicom.inference.runtime import Precision, Runtime
from sgseg_dicom.inference.whole_network import Outputs, WholeNetwork, own_report
from sgseg_dicom.model.head_weights import load_heads
from sgseg_dicom.model.heads import Heads
from sgseg_dicom.model.sgseg import SGSeg
from sgseg_dicom.model.weights import load_members
from sgseg_dicom.model_records import ModelInput, Prediction
from sgseg_dicom.release.heads_manifest import HeadsManifest
from sgseg_dicom.release.manifest import Manifest, folder_of, packaged_weights
from sgseg_dicom.zones import ZoneBits

GuidedBy = Literal["generated", "sentence", "ground-truth", "none"]

_DTYPES = {
    Precision.FLOAT32: torch.float32,
    Precision.FLOAT16: torch.float16,
    Precision.BFLOAT16: torch.bfloat16,
}


class Network:
    """
    Loaded weights on their device.

    Args:
        members: one model, or several whose logits are averaged, in evaluation mode.
        manifest: of their weights.
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: None: half precision on a GPU, float32 on a CPU.
        heads: what is read from the features besides, and its manifest; None: nothing is.

    Attributes:
        runtime: what runs it, where and how exactly.
        algorithm: who judges.

    Raises:
        ConfigError: there is no such device, or it does not compute in *precision*.
        WeightsError: no pass makes the features that the heads read.
    """

    def __init__(
        self,
        members: Sequence[SGSeg],
        manifest: Manifest,
        *,
        device: str = "auto",
        precision: Precision | None = None,
        heads: tuple[Heads, HeadsManifest] | None = None,
    ) -> None:
        self.device = _choose(device)
        self.manifest = manifest
        self.members = list(members)
        self.whole = WholeNetwork(members, manifest, heads)
        self.whole.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.heads_manifest = None if heads is None else heads[1]
        self.precision = _precision(self.device, precision)
        self.runtime = Runtime(
            name=f"torch {torch.__version__}",
            device=_name_of(self.device),
            precision=self.precision,
            threads=torch.get_num_threads() if self.device.type == "cpu" else 0,
        )
        # Enough to fill a GPU. On a CPU larger batches only make each image wait longer.
        self._max_batch = 64 if self.device.type == "cuda" else 4
        self.algorithm = self.runtime.judging(algorithm_of(manifest, self.heads_manifest))

    @property
    def max_batch(self) -> int:
        """Most images in one batch; fewer, once a batch did not fit into the GPU's memory."""
        return self._max_batch

    def judge(
        self,
        inputs: Sequence[ModelInput],
        *,
        guided_by: GuidedBy = "generated",
        zones: Sequence[ZoneBits] | None = None,
    ) -> list[Prediction]:
        """
        Judge a batch, of which each image must succeed. Arguments as of `judge_each`.

        Raises:
            InferenceError: the device failed, an answer is not a number, or the memory is too small for one image.
        """
        predictions = []
        for judged in self.judge_each(inputs, guided_by=guided_by, zones=zones):
            if isinstance(judged, InferenceError):
                raise judged
            predictions.append(judged)
        return predictions

    def judge_each(
        self,
        inputs: Sequence[ModelInput],
        *,
        guided_by: GuidedBy = "generated",
        zones: Sequence[ZoneBits] | None = None,
    ) -> list[Judged]:
        """
        Judge a batch. Where the GPU's memory is too small for it, judge one half after the other.

        Args:
            inputs: at least one.
            guided_by: "generated", the model's own report, is what the node does. The others are for evaluation:
                "sentence" is the report of the zones that are likelier than not (the paper's own inference, section
                2.3), also where the model was trained with the expectation over all reports.
            zones: the true zones of each image, for "ground-truth" only.

        Returns:
            for each image its prediction, or why it has none.

        Raises:
            InferenceError: the device failed, or the memory is too small for a single image.
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
        self._max_batch = min(self._max_batch, half)  # the next batch would not fit either
        first, second = (None, None) if zones is None else (zones[:half], zones[half:])
        return [
            *self.judge_each(inputs[:half], guided_by=guided_by, zones=first),
            *self.judge_each(inputs[half:], guided_by=guided_by, zones=second),
        ]

    def logits(self, inputs: Sequence[ModelInput]) -> tuple[Tensor, Tensor]:
        """
        Give the mean logits of the passes, under the model's own report: not calibrated, no threshold applied.

        Returns:
            float32, on the CPU: mask logits (B, 1, 224, 224), zone logits (B, 6).

        Raises:
            InferenceError: a logit is not a number.
        """
        raw = self.raw_answers(inputs)
        if not (np.isfinite(raw.mask_logits).all() and np.isfinite(raw.zone_logits).all()):
            raise InferenceError("the network's answer is not a number")
        return torch.from_numpy(raw.mask_logits)[:, None], torch.from_numpy(raw.zone_logits)

    @torch.inference_mode()
    def raw_answers(
        self,
        inputs: Sequence[ModelInput],
        *,
        guided_by: GuidedBy = "generated",
        zones: Sequence[ZoneBits] | None = None,
    ) -> RawAnswers:
        """Give what the networks compute of a batch. Arguments as of `judge_each`."""
        count = len(inputs)
        padded = [*range(count), *[0] * (self._padded(count) - count)]
        images = torch.from_numpy(np.stack([inputs[place].pixels for place in padded]))
        given = None
        if guided_by == "ground-truth" and zones is not None:
            given = torch.tensor([zones[place] for place in padded], device=self.device) * 2.0 - 1.0
        with self._cast():
            outputs = self.whole(images.unsqueeze(1).to(self.device), _guide(guided_by), given)
        return _raw(outputs, count)

    def _padded(self, count: int) -> int:
        """Give the size of a batch: on a GPU a power of two, since each new size compiles and measures kernels."""
        return 1 << (count - 1).bit_length() if self.device.type == "cuda" else count

    def _run(
        self, inputs: Sequence[ModelInput], guided_by: GuidedBy, zones: Sequence[ZoneBits] | None
    ) -> list[Judged]:
        raw = self.raw_answers(inputs, guided_by=guided_by, zones=zones)
        return judged_each(
            raw,
            self.manifest,
            self.heads_manifest,
            # The report is given, and so are its zones, and that there is an infection.
            given_zones=None if guided_by != "ground-truth" else zones,
        )

    def _cast(self) -> AbstractContextManager[object]:
        dtype = _DTYPES[self.precision]
        return torch.autocast(self.device.type, dtype, enabled=dtype is not torch.float32)


def load_network(
    weights: Path | None = None,
    *,
    device: str = "auto",
    precision: Precision | None = None,
    with_heads: bool = True,
) -> Network:
    """
    Load the weights in folder *weights*, or those that ship; and their heads, where there are any and *with_heads*.

    Raises:
        WeightsError: weights, manifest and code do not belong together.
        ConfigError: the device is not there, or does not compute in *precision*.
    """
    folder = packaged_weights() if weights is None else weights
    members, manifest = load_members(folder)
    heads = load_heads(folder_of(folder), members, weights=manifest.sha256) if with_heads else None
    return Network(members, manifest, device=device, precision=precision, heads=heads)


def _guide(guided_by: GuidedBy) -> Guide:
    if guided_by == "generated":
        return own_report
    if guided_by == "none":
        return lambda member, zone_logits: member.reports.none(len(zone_logits))
    return lambda member, zone_logits: member.reports.hard(zone_logits > 0)


def _raw(outputs: Outputs, count: int) -> RawAnswers:
    """Give the first *count* answers of a batch."""
    mask_logits, zone_logits, heads = outputs
    read = None
    if heads is not None:
        lungs, looks, infection = (_array(part[:count]) for part in heads)
        read = RawHeads(lungs=lungs, looks=looks, infection=infection)
    return RawAnswers(
        mask_logits=_array(mask_logits[:count, 0]), zone_logits=_array(zone_logits[:count]), heads=read
    )


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.asarray(tensor.float().cpu().numpy(), dtype=np.float32)


def _choose(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device != "cpu" and not torch.cuda.is_available():
        raise ConfigError(
            f'[model] device is "{device}", but no GPU can be used here; "auto" or "cpu" would be right'
        )
    chosen = torch.device(device)
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f'[model] device is "{device}", but there are {torch.cuda.device_count()} GPUs, counted from 0'
        )
    return chosen


def _name_of(device: torch.device) -> str:
    if device.type == "cpu":
        return "cpu"
    return f"{device}, {torch.cuda.get_device_name(device)}"


def _precision(device: torch.device, wanted: Precision | None) -> Precision:
    """
    Give the precision: the wanted one, or what the device does best without another answer.

    On a GPU float16 gives masks that are closer to those of float32 than bfloat16 does.
    """
    if wanted is None:
        return Precision.FLOAT16 if device.type == "cuda" else Precision.FLOAT32
    if device.type == "cpu" and wanted is Precision.FLOAT16:
        raise ConfigError('[model] precision is "float16", which is for a GPU; "auto" would be right')
    if device.type == "cpu" and wanted is Precision.BFLOAT16 and not cpu_has_bf16():
        raise ConfigError(
            '[model] precision is "bfloat16", which this processor only imitates, slowly; "auto" would be right'
        )
    return wanted


def cpu_has_bf16() -> bool:
    """Say whether the processor computes in bf16. Without AVX512-BF16 it is emulated, and slower than float32."""
    return torch.cpu._is_avx512_bf16_supported()  # torch has no public function for this
