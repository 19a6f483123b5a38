"""
OpenVINO: a graph is compiled for this processor once, and the compiled form is kept.

Compiling takes seconds; to load what was compiled takes a part of one.
"""

import hashlib
import os
import re
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.inference.openvino_library import openvino
from sgseg_dicom.inference.runtime import Precision
from sgseg_dicom.release.graph import Graph

_DIGEST = 32
"""Bytes of the sha256 that begins a kept file."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_UNUSED_SECONDS = 90 * 86400.0
_OURS = re.compile(r"[0-9a-f]{32}\.(blob|[0-9]+)")
"""Names of the files that are kept, and of those that are not whole yet. An administrator may name any folder."""


class Compiled(NamedTuple):
    """
    A compiled graph.

    Attributes:
        model: OpenVINO's.
        memory: what it reads its numbers from. It must live as long as the model.
    """

    model: openvino.CompiledModel
    memory: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True)
class CpuSettings:
    """
    How a graph runs on the CPU.

    Attributes:
        threads: how many compute; 0: as many as there are processors.
        streams: images that are computed at once; the threads are shared out to them.
        precision: in which it computes.
    """

    threads: int = 0
    streams: int = 1
    precision: Precision = Precision.FLOAT32

    @property
    def properties(self) -> dict[str, Any]:
        """As OpenVINO names them."""
        hint = {Precision.FLOAT32: "f32", Precision.BFLOAT16: "bf16", Precision.FLOAT16: "f16"}
        return {
            "INFERENCE_PRECISION_HINT": hint[self.precision],
            "INFERENCE_NUM_THREADS": self.threads or processors(),
            "NUM_STREAMS": self.streams,
            # Several processes would bind themselves to the same processors.
            "ENABLE_CPU_PINNING": False,
            "ENABLE_HYPER_THREADING": True,
        }


LATENCY = CpuSettings()
"""One image at a time, by all processors."""


def compiled(
    graph: Callable[[], Graph], *, digest: str, settings: CpuSettings, cache: Path | None
) -> Compiled:
    """
    Compile a graph, or take what was compiled before.

    Args:
        graph: gives it; called where nothing is kept.
        digest: of the graph and its numbers.
        settings: how it shall run.
        cache: folder of what is kept; made where it is not there. None: nothing is kept, and nothing is in a folder
            into which others can write.

    Raises:
        ConfigError: this processor does not compute in the precision that is wanted.
    """
    core = openvino.Core()
    cache = cache if cache is not None and _is_private(cache) else None
    _require_precision(core, settings.precision)
    kept = None if cache is None else cache / f"{_key(core, digest, settings)}.blob"
    if kept is not None and (content := _read(kept)) is not None:
        # A newer OpenVINO, or another processor, has another key. What cannot be read all the same is made anew.
        with suppress(RuntimeError):
            model = core.import_model(
                openvino.Tensor(content, shared_memory=True), "CPU", settings.properties
            )
            return Compiled(model, content)
    xml, constants = graph()
    model = core.read_model(model=xml, weights=openvino.Tensor(constants))
    model.reshape([1, *list(model.inputs[0].partial_shape)[1:]])
    made = core.compile_model(model, "CPU", settings.properties)
    if kept is not None:
        _keep(made.export_model().read(), kept)
    return Compiled(made, constants)


def _is_private(cache: Path) -> bool:
    """Say whether nobody else can put a file there: the library trusts what it reads."""
    try:
        status = cache.stat()
    except OSError:  # it is made when something is kept
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _require_precision(core: openvino.Core, precision: Precision) -> None:
    if precision is Precision.FLOAT32:
        return
    able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    named = {Precision.FLOAT16: "FP16", Precision.BFLOAT16: "BF16"}[precision]
    if named not in able:
        raise ConfigError(
            f'[model] precision is "{precision}", in which this processor does not compute ({", ".join(able)}); '
            '"auto" would be right'
        )


def _key(core: openvino.Core, digest: str, settings: CpuSettings) -> str:
    """Name what the compiled form depends on."""
    parts = [
        digest,
        openvino.get_version(),
        core.get_property("CPU", "FULL_DEVICE_NAME"),
        repr(settings.properties),
    ]
    parts += core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:32]


def _read(kept: Path) -> NDArray[np.uint8] | None:
    """Give what is kept; None where there is nothing, or it is damaged: the library would crash on it."""
    try:
        # Mapped and never written to: it takes no memory of its own. OpenVINO asks for an array that can be written.
        content = np.memmap(kept, dtype=np.uint8, mode="c")
        os.utime(kept)
    except (OSError, ValueError):  # ValueError: an empty file
        return None
    whole = content[_DIGEST:]
    return whole if hashlib.sha256(whole.data).digest() == content[:_DIGEST].tobytes() else None


def _keep(content: bytes, kept: Path) -> None:
    """Keep what was compiled, whole or not at all; without room or rights the next start compiles again."""
    unfinished = kept.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        unfinished.unlink(missing_ok=True)
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _forget_unused(kept.parent)
        with os.fdopen(os.open(unfinished, _NEW, 0o600), "wb") as file:
            file.write(hashlib.sha256(content).digest())
            file.write(content)
        unfinished.rename(kept)
    with suppress(OSError):
        unfinished.unlink(missing_ok=True)


def _forget_unused(cache: Path) -> None:
    """Delete what nothing has used for long: earlier releases, other settings. What is not ours stays."""
    for file in cache.iterdir():
        if _OURS.fullmatch(file.name) and time.time() - file.stat().st_mtime > _UNUSED_SECONDS:
            file.unlink(missing_ok=True)


def processors() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cache_of_user() -> Path | None:
    """
    Give the folder that keeps the compiled model between two calls (XDG Base Directory Specification).

    None: the user has no home, as in a container that runs under any number.
    """
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    with suppress(RuntimeError):
        return Path(home).expanduser() / "sgseg-dicom" / "compiled"
    return None
