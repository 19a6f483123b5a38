"""
The image check as the node runs it: its small network by OpenVINO, on the CPU. No torch comes with it.

The network is that of `sgseg_dicom.model.image_check`, which learns; a test compares them.
"""

import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.applicability.image_check import ImageCheckScores, Limits
from sgseg_dicom.applicability.poses import scores_of
from sgseg_dicom.errors import WeightsError
from sgseg_dicom.inference.openvino_library import openvino, ops
from sgseg_dicom.model_records import INPUT_SIZE
from sgseg_dicom.release.image_check_manifest import (
    packaged_image_check,
    read_image_check_manifest,
    require_image_check_file,
)
from sgseg_dicom.release.tensors import Array, load_tensors

_BLOCK = 4
"""Rows and columns of the image that become one of the network's."""
_STRIDES = (2, 2, 1, 2, 1)
"""Of the convolutions, in their order."""
_EPSILON = 1e-5
"""Of the batch normalisations (torch's default)."""


class ExportedImageCheck:
    """An `ImageCheck`: pixels in, scores out; safe to call from many threads."""

    def __init__(self, model: openvino.Model, limits: Limits) -> None:
        self.limits = limits
        compiled = openvino.Core().compile_model(
            model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
        )
        self._request = compiled.create_infer_request()
        self._lock = threading.Lock()

    def __call__(self, pixels: NDArray[np.float32]) -> ImageCheckScores:
        """Score float32 (224, 224), mean 0 and standard deviation 1."""
        both = np.stack([pixels, pixels[:, ::-1]])[:, None]
        with self._lock:
            plain, mirror = self._request.infer({0: both})[0]
            return scores_of(plain, mirror)


def load_image_check(folder: Path | None = None) -> ExportedImageCheck:
    """
    Load the weights in *folder*, or those that ship.

    Raises:
        WeightsError: weights, manifest and code do not belong together.
    """
    folder = packaged_image_check() if folder is None else folder
    manifest = read_image_check_manifest(folder)
    path = require_image_check_file(folder, manifest)
    try:
        model = _graph_of(load_tensors(path))
    except (KeyError, RuntimeError) as error:
        raise WeightsError(f"{path} does not fit this version: {error}") from None
    return ExportedImageCheck(model, manifest.limits)


def _graph_of(tensors: Mapping[str, Array]) -> openvino.Model:
    """Build the network: images (2, 1, 224, 224) -> logits (2, 11)."""
    images = ops.parameter([2, 1, INPUT_SIZE, INPUT_SIZE], np.float32)
    here = ops.avg_pool(images, [_BLOCK] * 2, [0, 0], [0, 0], [_BLOCK] * 2, exclude_pad=True)
    for place, stride in enumerate(_STRIDES):
        here = _block(here, tensors, place=3 * place, stride=stride)
    flat = ops.reshape(here, [2, -1], special_zero=False)
    hidden = ops.relu(_linear(flat, tensors, "head.2"))
    return openvino.Model([_linear(hidden, tensors, "head.4")], [images])


def _block(given: openvino.Node, tensors: Mapping[str, Array], *, place: int, stride: int) -> openvino.Node:
    """Convolution, batch normalisation and rectifier, named as in torch's sequence."""
    weight = tensors[f"features.{place}.weight"]
    padding = [weight.shape[-1] // 2] * 2
    made = ops.convolution(given, ops.constant(weight), [stride] * 2, padding, padding, [1, 1])
    norm = {
        part: ops.constant(tensors[f"features.{place + 1}.{part}"])
        for part in ("weight", "bias", "running_mean", "running_var")
    }
    normed = ops.batch_norm_inference(
        made, norm["weight"], norm["bias"], norm["running_mean"], norm["running_var"], _EPSILON
    )
    return ops.relu(normed)


def _linear(given: openvino.Node, tensors: Mapping[str, Array], name: str) -> openvino.Node:
    weight, bias = ops.constant(tensors[f"{name}.weight"]), ops.constant(tensors[f"{name}.bias"])
    return ops.add(ops.matmul(given, weight, transpose_a=False, transpose_b=True), bias)
