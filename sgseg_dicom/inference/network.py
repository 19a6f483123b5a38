"""Network: a batch of ModelInputs -> as many Predictions, by loaded weights on their device."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sgseg_dicom.errors import ConfigError, InferenceError
from sgseg_dicom.inference.ensemble import Guide, mean_logits, passes_of
from sgseg_dicom.inference.head_reader import HeadAnswer, HeadReader
from sgseg_dicom.model.head_weights import load_heads
from sgseg_dicom.model.heads import Heads
from sgseg_dicom.model.sgseg import SGSeg
from sgseg_dicom.model.weights import load_members
from sgseg_dicom.model_records import Algorithm, ModelInput, Prediction
from sgseg_dicom.release.heads_manifest import HeadsManifest, joint_identity
from sgseg_dicom.release.manifest import Manifest, Thresholds, folder_of, packaged_weights
from sgseg_dicom.zones import ZoneBits

GuidedBy = Literal["generated", "ground-truth", "none"]


class Network:
    """
    Loaded weights on their device: half precision on a GPU, bf16 on a CPU that has it, else float32.

    Args:
        members: one model, or several whose logits are averaged, in evaluation mode.
        manifest: of their weights.
        device: "auto", "cpu" or "cuda".
        heads: what is read from the features besides, and its manifest; None: nothing is.

    Raises:
        ConfigError: "cuda" where there is none.
        WeightsError: no pass makes the features that the heads read.
    """

    def __init__(
        self,
        members: Sequence[SGSeg],
        manifest: Manifest,
        *,
        device: str = "auto",
        heads: tuple[Heads, HeadsManifest] | None = None,
    ) -> None:
        self.device = _choose(device)
        self.manifest = manifest
        self.members = [member.to(self.device).to(memory_format=torch.channels_last) for member in members]
        self._passes = passes_of(self.members, flip=manifest.test_time_flip, sizes=manifest.test_time_sizes)
        self.precision = _precision(self.device)
        self._heads = None if heads is None else self._reader(*heads)
        identity = manifest.identity if heads is None else joint_identity(manifest, heads[1])
        self.algorithm = Algorithm(name=manifest.name, version=manifest.version, weights_digest=identity)

    def judge(
        self,
        inputs: Sequence[ModelInput],
        *,
        guided_by: GuidedBy = "generated",
        zones: Sequence[ZoneBits] | None = None,
    ) -> list[Prediction]:
        """
        Judge a batch. Where the GPU's memory is too small for it, judge one half after the other.

        Args:
            inputs: at least one.
            guided_by: "generated", the model's own report, is what the node does; the others are for evaluation.
            zones: the true zones of each image, for "ground-truth" only.

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
        Give the mean logits of the passes: not calibrated, no threshold applied. Arguments as of `judge`.

        Returns:
            float32, on the CPU: mask logits (B, 1, 224, 224), zone logits (B, 6).

        Raises:
            InferenceError: a logit is not a number.
        """
        return self._infer(inputs, guided_by, zones)[:2]

    @torch.inference_mode()
    def _infer(
        self, inputs: Sequence[ModelInput], guided_by: GuidedBy, zones: Sequence[ZoneBits] | None
    ) -> tuple[Tensor, Tensor, list[HeadAnswer] | None]:
        """Give `logits`, and what the heads say of each image."""
        images = torch.from_numpy(np.stack([item.pixels for item in inputs])).unsqueeze(1).to(self.device)
        given = None if guided_by != "ground-truth" else torch.tensor(zones, device=self.device) * 2.0 - 1.0
        reading = None if self._heads is None else self._heads.begin()
        with self._cast():
            mask_logits, zone_logits = mean_logits(
                self._passes,
                images,
                self._guide(guided_by),
                given_zones=given,
                seen=(lambda one, features: None) if reading is None else reading.see,
            )
            answers = None if reading is None else reading.answers(images.shape[-1])
        # Every comparison with NaN is False: it would read as "no infection".
        if not (mask_logits.isfinite().all() and zone_logits.isfinite().all()):
            raise InferenceError(
                'the network\'s answer is not a number; see the image, or set device = "cpu"'
            )
        return mask_logits.float().cpu(), zone_logits.float().cpu(), answers

    def _reader(self, heads: Heads, manifest: HeadsManifest) -> HeadReader:
        return HeadReader(heads, manifest, members=self.members, passes=self._passes, device=self.device)

    def _run(
        self, inputs: Sequence[ModelInput], guided_by: GuidedBy, zones: Sequence[ZoneBits] | None
    ) -> list[Prediction]:
        mask_logits, zone_logits, answers = self._infer(inputs, guided_by, zones)
        calibration = self.manifest.calibration
        masks = (mask_logits / calibration.mask_temperature).sigmoid()[:, 0].numpy()
        zone_probabilities = (zone_logits / calibration.zone_temperature).sigmoid().numpy()
        if (
            guided_by == "ground-truth"
        ):  # the report is given, and so are its zones, and that there is an infection
            zone_probabilities, answers = np.array(zones, dtype=np.float32), None
        said: Sequence[HeadAnswer | None] = [None] * len(masks) if answers is None else answers
        return [
            decide(mask, probabilities, self.manifest.thresholds, answer)
            for mask, probabilities, answer in zip(masks, zone_probabilities, said, strict=True)
        ]

    def _guide(self, guided_by: GuidedBy) -> Guide:
        if guided_by == "generated":
            return lambda member, zone_logits: member.guide(zone_logits)
        if guided_by == "none":
            return lambda member, zone_logits: member.reports.none(len(zone_logits))
        return lambda member, zone_logits: member.reports.hard(zone_logits > 0)

    def _cast(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, self.precision, enabled=self.precision is not torch.float32)


def load_network(weights: Path | None = None, *, device: str = "auto", with_heads: bool = True) -> Network:
    """
    Load the weights in folder *weights*, or those that ship; and their heads, where there are any and *with_heads*.

    Raises:
        WeightsError: weights, manifest and code do not belong together.
        ConfigError: the device is not there.
    """
    folder = packaged_weights() if weights is None else weights
    members, manifest = load_members(folder)
    heads = load_heads(folder_of(folder), members, weights=manifest.sha256) if with_heads else None
    return Network(members, manifest, device=device, heads=heads)


def infection_score(zone_probabilities: NDArray[np.float32]) -> float:
    """
    Give 1 - product of (1 - p) over the zones: the probability that any zone is infected, if they were independent.

    Of the scores tried on valid, it separates infected from normal images best (training/LOG.md).
    """
    return float(1 - np.prod(1 - zone_probabilities.astype(np.float64)))


def decide(
    mask_probability: NDArray[np.float32],
    zone_probabilities: NDArray[np.float32],
    thresholds: Thresholds,
    answer: HeadAnswer | None = None,
) -> Prediction:
    """
    Apply the thresholds: an image is infected where `infection_score` reaches the infection threshold.

    Where there are heads, they too must say that it is infected: on the films of a hospital that they learned from
    they know better, and on those of another one the zones do. An image that is not infected has no zone and an empty
    mask. An infected image has at least its likeliest zone.
    """
    infected = infection_score(zone_probabilities) >= thresholds.infection
    if answer is not None:
        infected = infected and answer.infection >= 0
    named = zone_probabilities >= min(thresholds.zone, float(zone_probabilities.max()))
    upper_r, middle_r, lower_r, upper_l, middle_l, lower_l = (bool(infected and zone) for zone in named)
    return Prediction(
        mask_probability=mask_probability,
        zone_probabilities=zone_probabilities,
        threshold=thresholds.mask,
        mask=(mask_probability >= thresholds.mask) & infected,
        zones=(upper_r, middle_r, lower_r, upper_l, middle_l, lower_l),
        lungs=None if answer is None else answer.lungs,
        look=None if answer is None else answer.look,
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
    """Say whether the processor computes in bf16. Without AVX512-BF16 it is emulated, and slower than float32."""
    return torch.cpu._is_avx512_bf16_supported()  # torch has no public function for this
