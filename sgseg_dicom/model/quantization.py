"""The format of tensors in a weights file: half precision, or eight bits for the large ones."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from sgseg_dicom.release.tensors import STEP

Bits = Literal[16, 8]
_LARGEST = 127
_LARGE = 50_000
"""A tensor of so many values is large. In the compact preset 32 of 183 are, with two thirds of all values."""


def packed(state: Mapping[str, Tensor], *, bits: Bits) -> dict[str, Tensor]:
    """
    Pack a model's tensors for a file.

    With 8 bits, the large weights of convolutions and linear layers become integers from -127 to 127. Each output
    channel has a step (float32, under the tensor's name with "|step"): a weight is its integer times the step. All
    other tensors are in half precision.
    """
    tensors = {}
    for name, tensor in state.items():
        tensor = tensor.detach().cpu().contiguous()
        if not tensor.is_floating_point():
            tensors[name] = tensor
        elif bits == 8 and name.endswith("weight") and tensor.ndim > 1 and tensor.numel() >= _LARGE:
            largest = tensor.float().abs().amax(dim=tuple(range(1, tensor.ndim)), keepdim=True)
            step = (largest / _LARGEST).clamp(min=torch.finfo(torch.float32).tiny)
            tensors[name], tensors[name + STEP] = (tensor / step).round().to(torch.int8), step
        else:
            tensors[name] = tensor.half()
    return tensors
