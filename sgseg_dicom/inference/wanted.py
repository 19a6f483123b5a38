"""
What shall run the model, and what does: OpenVINO on a CPU, torch on a GPU.

Neither is imported here: the worker asks too, and judges nothing itself.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import structlog

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.release.graph import GRAPH_MANIFEST_FILE
from sgseg_dicom.release.manifest import folder_of, packaged_weights

log = structlog.get_logger(__name__)

RuntimeName = Literal["auto", "openvino", "torch"]
PrecisionName = Literal["auto", "float32", "float16", "bfloat16"]

_GPU_FILES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""The drivers' own files: NVIDIA, Windows' Linux, AMD."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """
    What shall run the model; [model] of the configuration has the same keys.

    Attributes:
        device: "auto", "cpu", "cuda" or "cuda:N".
        runtime: "auto" takes torch on a GPU and OpenVINO on a CPU.
        precision: "auto" is float16 on a GPU and float32 on a CPU.
        threads: on a CPU; 0: as many as there are processors.
        at_once: images that OpenVINO computes at once. More take longer each, and less time together.
        cache: folder in which what was compiled is kept; None: nothing is kept.
    """

    device: str = "auto"
    runtime: RuntimeName = "auto"
    precision: PrecisionName = "auto"
    threads: int = 0
    at_once: int = 1
    cache: Path | None = None


ANYTHING = Wanted()


def choose_runtime(
    weights: Path | None, wanted: Wanted, *, gpu_can_be_used: bool | None = None
) -> Literal["openvino", "torch"]:
    """
    Decide what runs the model.

    Args:
        weights: their folder; None: those that ship.
        wanted: see there.
        gpu_can_be_used: None: torch is imported and asked, where there is a driver.

    Raises:
        ConfigError: a GPU is asked for, and OpenVINO too.
    """
    on_gpu = wanted.device.startswith("cuda")
    if wanted.runtime == "openvino":
        if on_gpu:
            raise ConfigError(
                f'[model] device is "{wanted.device}", and runtime "openvino" is for a CPU; "auto" would be right'
            )
        return "openvino"
    if wanted.runtime == "torch" or on_gpu or not has_graph(weights):
        return "torch"
    if wanted.device != "auto":
        return "openvino"
    usable = _gpu_can_be_used() if gpu_can_be_used is None else gpu_can_be_used
    return "torch" if usable else "openvino"


def has_gpu_driver() -> bool:
    """Say whether a GPU's driver is there."""
    return any(Path(file).exists() for file in _GPU_FILES)


def _gpu_can_be_used() -> bool:
    """Say whether torch can use a GPU here. torch is not even imported where no driver is."""
    if not has_gpu_driver():
        return False
    if why := why_gpu_idle():
        log.warning("gpu_idle", detail=why)
    return not why


def why_gpu_idle() -> str:
    """Say why the GPU of this machine would not be used; "" where there is none, or it would."""
    if not has_gpu_driver():
        return ""
    if not is_torch_installed():
        return "this machine has a GPU, and torch is missing: pip install 'sgseg-dicom[gpu]'"
    import torch

    if torch.cuda.is_available():
        return ""
    return "this machine has a GPU, and torch cannot use it: see driver and torch's build"


def is_torch_installed() -> bool:
    """Say whether what runs the model on a GPU is installed; nothing is imported."""
    return all(find_spec(name) is not None for name in ("torch", "timm", "transformers"))


def has_graph(weights: Path | None) -> bool:
    """Say whether there is an exported graph beside the weights; whether it belongs to them, loading tells."""
    return (folder_of(weights or packaged_weights()) / GRAPH_MANIFEST_FILE).is_file()
