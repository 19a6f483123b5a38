"""2,000 images: memory, descriptors and threads."""

import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.faults.measured import Measured
from tests.system.faults.soaking import soak

_AFTER = (100, 500, 1000, 2000)
_MOST_GROWTH = 1.15
_MOST_MORE = 4


def measure(share: float, seed: int) -> Measured:
    """Look at receiver and worker after 100, 500, 1,000 and 2,000 images. *seed* changes nothing."""
    after = sorted({max(_AFTER[0], round(number * share)) for number in _AFTER})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        found = soak(Path(name), after=after)
    first, last = found[after[0]], found[after[-1]]
    flat = all(
        last[half].bytes <= _MOST_GROWTH * one.bytes
        and last[half].descriptors <= one.descriptors + _MOST_MORE
        and last[half].threads <= one.threads + _MOST_MORE
        for half, one in first.items()
    )
    said = "; ".join(
        f"after {number}: "
        + ", ".join(
            f"{half} {one.bytes / 1e6:.0f} MB, {one.descriptors} descriptors, {one.threads} threads"
            for half, one in halves.items()
        )
        for number, halves in found.items()
    )
    return Measured(
        holds=flat,
        said=said,
        figures={
            str(number): {half: asdict(one) for half, one in halves.items()}
            for number, halves in found.items()
        },
    )
