"""What changes the digits of a run besides recipe and data: versions, threads, processor or GPU, precision."""

import logging
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

log = logging.getLogger(__name__)

_PACKAGES = ("sgseg-dicom", "torch", "lightning", "timm", "transformers", "monai", "numpy")
_CPUINFO = Path("/proc/cpuinfo")


def environment_of(precision: str, *, valid_digest: str) -> dict[str, Any]:
    """
    Describe what a run computes with.

    With one thread instead of two, 776 of 895 tensors of a run differed in their last digits.

    Args:
        precision: of the run, as lightning names it.
        valid_digest: of the images that each epoch is measured on.
    """
    cuda = torch.cuda.is_available()
    return {
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES},
        "device": torch.cuda.get_device_name() if cuda else _processor(),
        "threads": torch.get_num_threads(),
        "precision": precision,
        "tf32": {
            "matmul": bool(cuda and torch.backends.cuda.matmul.allow_tf32),
            "convolution": bool(cuda and torch.backends.cudnn.allow_tf32),
        },
        "valid": valid_digest,
    }


def warn_of_another(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Log what differs between two environments; say whether anything does."""
    changed = [name for name in now if before.get(name) != now[name]]
    for name in changed:
        log.warning(
            "the run goes on with another %s (%s, before %s): its digits will not be those of a run without a stop",
            name,
            *(
                _shown(one, other)
                for one, other in ((now[name], before.get(name)), (before.get(name), now[name]))
            ),
        )
    return bool(changed)


def _shown(one: Any, other: Any) -> Any:
    """Of two tables show what differs only."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {key: value for key, value in one.items() if other.get(key) != value}
    return one


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    """Give the model of the processor; Linux only, elsewhere its architecture."""
    if _CPUINFO.is_file():
        for line in _CPUINFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
