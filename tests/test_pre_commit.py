"""The hooks of .pre-commit-config.yaml are what `make lint` runs."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def test_the_hooks_are_what_make_lint_runs() -> None:
    """Whoever commits with the hooks is not surprised by CI, and CI asks for nothing that the hooks do not."""
    recipe = re.search(r"^lint:.*\n((?:\t.+\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook["entry"] for repo in config["repos"] for hook in repo["hooks"]]

    assert recipe is not None
    assert [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()] == hooks
