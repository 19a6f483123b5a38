"""Where the real data lie, if they do."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("SGSEG_DATA", Path(__file__).parents[3] / "shared" / "data"))

needs_data = pytest.mark.skipif(
    not (DATA / "QaTa").is_dir(), reason=f"no QaTa-COV19 in {DATA}; name its folder in SGSEG_DATA"
)
