"""2,000 fuzzed data sets to a real receiver."""

import tempfile
from pathlib import Path

from benchmarks.faults.measured import Measured
from tests.node.conftest import settings
from tests.node.processes import RECEIVE, half
from tests.system.faults.fuzz_receiver import send_fuzzed

_DATA_SETS = 2_000


def measure(share: float, seed: int) -> Measured:
    """Send them, an association each, and a good image after every hundred."""
    count = max(1, round(_DATA_SETS * share))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with half(RECEIVE, settings(folder), folder) as receiver:
            end = send_fuzzed(receiver, folder, count, seed=seed)
            defects = len(receiver.events("defect"))
    return Measured(
        holds=not end.silent and set(end.good) == {"0x0000"} and end.lives and not defects,
        said=f"{count} data sets: {dict(end.answers)}; {len(end.silent)} without an answer; {len(end.good)} good "
        f"images between them: {sorted(set(end.good))}; the longest answer took {end.longest:.1f} s; memory "
        f"{end.bytes_before >> 20} MB before, {end.bytes_after >> 20} MB after",
        figures={
            "data_sets": count,
            "answers": dict(end.answers),
            "silent": end.silent,
            "good": len(end.good),
            "longest": round(end.longest, 2),
            "bytes_before": end.bytes_before,
            "bytes_after": end.bytes_after,
        },
    )
