"""How long each stage took."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sgseg_dicom.pipeline import Timed


def stopwatch(seconds: dict[str, float], *, entered: Callable[[str], None] = lambda stage: None) -> "Timed":
    """Add the time of each stage to *seconds*, and call *entered* with its name when it begins."""

    @contextmanager
    def timed(stage: str) -> Iterator[None]:
        entered(stage)
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds[stage] = round(seconds.get(stage, 0.0) + time.perf_counter() - start, 6)

    return timed
