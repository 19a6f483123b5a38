"""20,000 fuzzed files through the reading."""

import tempfile
from pathlib import Path

from benchmarks.faults.measured import Measured
from tests.system.faults.fuzz_reading import read_fuzzed

_FILES = 20_000


def measure(share: float, seed: int) -> Measured:
    """Read them; each must be read, or refused by an error of ours."""
    count = max(1, round(_FILES * share))
    with tempfile.TemporaryDirectory() as name:
        end = read_fuzzed(Path(name), count, seed=seed)
    return Measured(
        holds=not end.failed,
        said=f"{count} files: {dict(end.outcomes)}; {len(end.failed)} failed; the slowest took "
        f"{end.slowest:.2f} s of processor time, the most memory was {end.most_bytes >> 20} MB",
        figures={
            "files": count,
            "outcomes": dict(end.outcomes),
            "failed": end.failed,
            "slowest": round(end.slowest, 3),
            "most_bytes": end.most_bytes,
        },
    )
