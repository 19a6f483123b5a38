"""What a run or weights know of their training: the runs that made them, and what these began with."""

from typing import Any


def runs_of(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the runs that a model is the mean of (`training.release.average`), or the one that made it."""
    return [run for part in facts.get("averaged", []) for run in runs_of(part)] or [facts]


def learned_runs(history: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the runs that made a model: its own, and those of the weights that it began with, the latest first."""
    history = first_of(history)
    runs = [run for part in history.get("averaged", []) for run in learned_runs(part)]
    runs = runs or ([] if history.get("steps_done") == 0 else [history])  # 0: `sgseg-train begin`
    began = history.get("started_from")
    return runs + ([] if began is None else learned_runs(began))


def root_of(history: dict[str, Any]) -> dict[str, Any]:
    """Give the run, or `sgseg-train begin`, that drew or loaded the weights that all its successors went on with."""
    run = runs_of(first_of(history))[0]
    began = run.get("started_from")
    return run if began is None else root_of(began)


def first_of(history: dict[str, Any]) -> dict[str, Any]:
    """Give the first member's of weights that judge together: what a run begins with is that one."""
    members: list[dict[str, Any]] = history.get("members", [history])
    return members[0]


def holds_statistics(facts: dict[str, Any]) -> bool:
    """Say whether the last epoch of every run was trained with the batch statistics that its weights have."""
    return all(_last_phase_of(run).get("hold_statistics", False) for run in runs_of(facts))


def _last_phase_of(run: dict[str, Any]) -> dict[str, Any]:
    """Give the phase that a run ended in, which may have been stopped before the recipe's last."""
    phases: list[dict[str, Any]] = run["recipe"]["phases"]
    epochs = run.get("epochs_done", sum(phase["epochs"] for phase in phases))
    for phase in phases:
        epochs -= phase["epochs"]
        if epochs <= 0:
            return phase
    return phases[-1]
