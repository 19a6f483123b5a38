"""
Load what runs the model (`sgseg_dicom.inference.wanted` chooses it).

torch is imported only where it is used: it need not be installed on a machine without a GPU.
"""

from pathlib import Path

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.inference.compiled_graph import CpuSettings
from sgseg_dicom.inference.exported_network import load_exported_network
from sgseg_dicom.inference.runtime import Precision
from sgseg_dicom.inference.segmenter import Judge, Segmenter
from sgseg_dicom.inference.wanted import ANYTHING, Wanted, choose_runtime, is_torch_installed
from sgseg_dicom.release.manifest import packaged_weights, read_manifest
from sgseg_dicom.release.whole import require_measured


def load_segmenter(weights: Path | None = None, wanted: Wanted = ANYTHING) -> Segmenter:
    """
    Load the weights in folder *weights*, or those that ship, and let many threads ask them.

    They judge whatever they are given: the image check comes after them.

    Raises:
        WeightsError: weights, heads and graph do not belong together, or they are neither calibrated nor measured.
        ConfigError: the device is not there, or what is wanted is not installed.
    """
    return Segmenter(load_measured(weights, wanted))


def load_measured(weights: Path | None = None, wanted: Wanted = ANYTHING) -> Judge:
    """Load a network of weights that were calibrated and measured: arguments and errors as of `load_segmenter`."""
    folder = weights or packaged_weights()
    require_measured(read_manifest(folder), folder)
    return load_judge(weights, wanted)


def load_judge(weights: Path | None = None, wanted: Wanted = ANYTHING) -> Judge:
    """
    Load a network: arguments and errors as of `load_segmenter`, but weights without figures are taken too.
    """
    if choose_runtime(weights, wanted) == "torch":
        return _by_torch(weights, wanted)
    precision = Precision.FLOAT32 if wanted.precision == "auto" else Precision(wanted.precision)
    settings = CpuSettings(threads=wanted.threads, streams=wanted.at_once, precision=precision)
    return load_exported_network(weights, settings=settings, cache=wanted.cache)


def _by_torch(weights: Path | None, wanted: Wanted) -> Judge:
    if not is_torch_installed():
        raise ConfigError(
            f"{_why_torch(weights, wanted)}: torch must run the model, and it is not installed; "
            "pip install 'sgseg-dicom[gpu]'"
        )
    import torch

    from sgseg_dicom.inference.network import load_network

    if wanted.threads:
        torch.set_num_threads(wanted.threads)
    precision = None if wanted.precision == "auto" else Precision(wanted.precision)
    return load_network(weights, device=wanted.device, precision=precision)


def _why_torch(weights: Path | None, wanted: Wanted) -> str:
    if wanted.runtime == "torch":
        return '[model] runtime is "torch"'
    if wanted.device.startswith("cuda"):
        return f'[model] device is "{wanted.device}"'
    return (
        f"the weights in {weights or packaged_weights()} have no exported graph (`sgseg-train export-graph`)"
    )
