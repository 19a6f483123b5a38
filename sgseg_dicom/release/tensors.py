"""The tensors of a weights file, as arrays: half precision or eight bits on disk, float32 in memory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from sgseg_dicom.errors import WeightsError

STEP = "|step"
"""Behind the name of a tensor of eight bits: the step of each output channel."""

Array = NDArray[Any]


def load_tensors(path: Path) -> dict[str, Array]:
    """
    Load the tensors of a file.

    Raises:
        WeightsError: it is damaged, or has values that are no numbers.
    """
    try:
        tensors = unpacked(load_file(path))
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read: {error}") from None
    if unsound := [name for name, tensor in tensors.items() if not np.isfinite(tensor).all()]:
        raise WeightsError(f"{path} has values that are no numbers in {unsound[:3]}; export it again")
    return tensors


def unpacked(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Give a model's tensors, floats as float32; a weight of eight bits is its integer times its channel's step."""
    state = {}
    for name, tensor in tensors.items():
        if name.endswith(STEP):
            continue
        step = tensors.get(name + STEP)
        if step is not None:
            state[name] = tensor.astype(np.float32) * step
        else:
            state[name] = tensor.astype(np.float32) if np.issubdtype(tensor.dtype, np.floating) else tensor
    return state
