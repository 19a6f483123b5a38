"""What a run, or weights, know about their training: which runs made them, what these began with, which commit."""

import hashlib
import subprocess
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any


def commit_of_checkout(folder: Path = Path(__file__).parent) -> str:
    """
    Give the commit of this checkout, with "-dirty" if files are changed.

    A repository counts only if it tracks this file: a package that is installed into a virtual environment may lie
    inside the folder of another project. Then the version is given, and the first digits of the sha256 over the list
    of installed files with their digests (RECORD of the wheel); "unknown" if this is no installed package either.
    """
    own = Path(__file__).name
    if _git(folder, "ls-files", "--error-unmatch", own) is None:
        return _installed()
    return _git(folder, "describe", "--always", "--dirty", "--abbrev=40") or "unknown"


def _git(folder: Path, *command: str) -> str | None:
    """Give what git answers; None: it cannot, or there is no git."""
    try:
        answer = subprocess.run(["git", *command], cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()


def _installed() -> str:
    try:
        found = distribution("sgseg-dicom")
    except PackageNotFoundError:
        return "unknown"
    record = hashlib.sha256((found.read_text("RECORD") or "").encode()).hexdigest()
    return f"sgseg-dicom {found.version}, files {record[:16]}"


def runs_of(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the runs whose mean a model is (`training.release.average`), or the one run that made it."""
    return [run for part in facts.get("averaged", []) for run in runs_of(part)] or [facts]


def learned_runs(history: dict[str, Any]) -> list[dict[str, Any]]:
    """Give all runs that made a model, the latest first: its own, and those of the weights that it began with."""
    history = first_of(history)
    runs = [run for part in history.get("averaged", []) for run in learned_runs(part)]
    runs = runs or ([] if history.get("steps_done") == 0 else [history])  # 0: `sgseg-train begin`
    began = history.get("started_from")
    return runs + ([] if began is None else learned_runs(began))


def root_of(history: dict[str, Any]) -> dict[str, Any]:
    """Give the first run of a history, or its `sgseg-train begin`: there the weights were drawn or loaded."""
    run = runs_of(first_of(history))[0]
    began = run.get("started_from")
    return run if began is None else root_of(began)


def first_of(history: dict[str, Any]) -> dict[str, Any]:
    """Give the history of the first member: a run that begins with several members takes the first one."""
    members: list[dict[str, Any]] = history.get("members", [history])
    return members[0]


def holds_statistics(facts: dict[str, Any]) -> bool:
    """Say whether every run trained its last epoch with the batch statistics that its weights have."""
    return all(_last_phase_of(run).get("hold_statistics", False) for run in runs_of(facts))


def _last_phase_of(run: dict[str, Any]) -> dict[str, Any]:
    """Give the phase in which a run ended; a run may have stopped before the recipe's last phase."""
    phases: list[dict[str, Any]] = run["recipe"]["phases"]
    epochs = run.get("epochs_done", sum(phase["epochs"] for phase in phases))
    for phase in phases:
        epochs -= phase["epochs"]
        if epochs <= 0:
            return phase
    return phases[-1]
