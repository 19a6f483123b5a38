"""The small copy of the data is the same data, but for what JPEG changes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.training.builders import small_data_set
from training.cli import app
from training.data import load_image, load_mask, read_split

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small_data_set(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def packed(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("packed")
    result = CliRunner().invoke(app, ["pack", "--data", str(folder), "--out", str(out)])
    assert result.exit_code == 0, result.output
    return out


@pytest.mark.parametrize("split", ["train", "valid"])
def test_packed_data_are_read_as_the_data_are(folder, packed, split):
    """Names, zones in the patient's sides and masks are the same; images differ by little."""
    for before, after in zip(read_split(folder, split), read_split(packed, split), strict=True):
        assert (after.name, after.zones) == (before.name, before.zones)
        np.testing.assert_array_equal(load_mask(after), load_mask(before))
        assert np.abs(load_image(after).astype(int) - load_image(before)).mean() < 8


def test_the_script_for_a_gpu_runs_a_piece(packed, tmp_path):
    """Two steps of a row, here of a tiny model; what has been run comes back as one archive."""
    runs, back = tmp_path / "runs", tmp_path / "back"
    back.mkdir()
    options = ["--only", "full-text", "--steps", "2"]
    options += ["--set", "preset=tiny", "--set", "batch_size=2", "--set", "phases.0.size=64"]
    piece = subprocess.run(
        ["bash", "training/paper/on_gpu.sh", str(packed), str(runs), "9", *options],
        cwd=ROOT,
        env={
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "OUT": str(back),
            "TABLES": "2",
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
    )
    assert piece.returncode == 0, piece.stderr
    assert "not run" in piece.stdout
    assert (runs / "full-text" / "seed-0" / "last.ckpt").is_file()
    assert (back / "tables.tar.gz").stat().st_size > 0
