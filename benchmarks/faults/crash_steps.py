"""A crash before each step of an image's way: the test of the same name, with all steps."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.faults.measured import Measured

_TEST = "tests/system/faults/test_crash_at_each_step.py"


def measure(share: float, seed: int) -> Measured:
    """Run it. *share* and *seed* change nothing: the steps are as many as they are."""
    with tempfile.TemporaryDirectory() as name:
        tests = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={name}/t", _TEST],
            env={**os.environ, "SGSEG_ALL_STEPS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        halves = {half: _steps(Path(name), half) for half in ("worker", "receiver")}
    last = tests.stdout.strip().splitlines()[-1]
    return Measured(
        holds=tests.returncode == 0,
        said=f"died before each of {halves['worker']} steps of a worker and {halves['receiver']} of a receiver; "
        f"the end was the same ({last})",
        figures={**halves, "pytest": last},
    )


def _steps(folder: Path, half: str) -> int:
    """Count the starts that died: all of those at a step, but the last one, which had no such step."""
    tried = [path for path in folder.glob(f"t/*{half}*/at-*") if re.fullmatch(r"at-[1-9]\d*", path.name)]
    return len(tried) - 1
