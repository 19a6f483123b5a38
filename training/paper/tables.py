"""Train and measure the rows of the paper's tables, one after the other. A finished run is not run again."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch

from training.data import Item
from training.loop.data_module import Epochs
from training.loop.environment import environment_of
from training.loop.precision import for_this_machine
from training.loop.run_facts import facts_of, record_facts
from training.paper.budgeted_run import BudgetedRun
from training.paper.methods import Row
from training.paper.results import Finished, read_result, write_result
from training.recipe import Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """
    What is run.

    Attributes:
        out: folder of the runs; each has a folder below it, of its name and seed.
        seeds: for rows that are `repeated`; other rows have one.
        steps_each: stop each run after so many steps in all, to try a plan; None: the whole budget.
        ends: time.monotonic() after which no step begins; None: never.
    """

    out: Path
    seeds: int = 1
    steps_each: int | None = None
    ends: float | None = None

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return self.ends is not None and time.monotonic() >= self.ends


def run_rows(
    rows: Sequence[Row],
    recipe: Recipe,
    train: Sequence[Item],
    valid: Sequence[Item],
    plan: Plan,
    *,
    after: Callable[[], None] = lambda: None,
) -> None:
    """
    Train each row with the recipe's budget, and measure it on *valid*. A stopped run goes on where it was.

    Args:
        rows: of a table. All rows are run with the first seed before any is run with another one.
        recipe: budget, data and augmentation of all.
        train, valid: to learn from; to choose the epoch by, and to measure.
        plan: where, how many seeds and how long.
        after: called after each run that ends.

    Raises:
        ConfigError: a run in one of the folders began with another recipe or other data.
    """
    recipe = for_this_machine(recipe)
    todo = [(row, number) for row, number in _runs(rows, plan.seeds) if _open(plan, row, number)]
    if not todo or plan.over:
        return
    data = Epochs(recipe, train, valid)
    facts = {"train": facts_of(train), "valid": facts_of(valid)}
    for row, number in todo:
        own = recipe.model_copy(update={"seed": recipe.seed + number})
        folder = folder_of(plan.out, row.run, number)
        folder.mkdir(parents=True, exist_ok=True)
        told = {"recipe": own.model_dump(mode="json"), "begins": row.begins, **facts}
        record_facts(
            folder / "run.json",
            told,
            resumes=(folder / "run.json").is_file(),
            environment=environment_of(own.precision, valid_digest=facts["valid"]["digest"]),
        )
        if _run_one(row, own, data, folder, plan):
            after()
        if plan.over:
            return


def folder_of(out: Path, run: str, number: int) -> Path:
    """Give the folder of a run with its seed, counted from 0."""
    return out / run / f"seed-{number}"


def finished_of(row: Row, out: Path) -> list[Finished]:
    """Give the runs of a row that have ended, by seed."""
    found = [read_result(folder) for folder in sorted((out / row.run).glob("seed-*"))]
    return [one for one in found if one is not None]


def _runs(rows: Sequence[Row], seeds: int) -> Iterator[tuple[Row, int]]:
    for number in range(seeds):
        yield from ((row, number) for row in rows if row.repeated or number == 0)


def _open(plan: Plan, row: Row, number: int) -> bool:
    return read_result(folder_of(plan.out, row.run, number)) is None


def _run_one(row: Row, recipe: Recipe, data: Epochs, folder: Path, plan: Plan) -> bool:
    """Train and measure; say whether the run ended."""
    lightning.seed_everything(recipe.seed, verbose=False)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    run = BudgetedRun(row.build(), recipe, data, folder, device=device)
    limit = data.steps if plan.steps_each is None else plan.steps_each
    if not run.train(stops=lambda: plan.over or run.step >= limit):
        return False
    run.load_best()
    counted = {name: run.count(predict) for name, predict in run.method.readings().items()}
    write_result(
        folder,
        Finished(
            facts=_facts(row, recipe, run, data),
            counts={name: counts for name, (counts, _) in counted.items()},
            has_zones=any(has_zones for _, has_zones in counted.values()),
        ),
    )
    run.forget()
    return True


def _facts(row: Row, recipe: Recipe, run: BudgetedRun, data: Epochs) -> dict[str, Any]:
    return {
        "run": row.run,
        "seed": recipe.seed,
        "begins": row.begins,
        "parameters": sum(p.numel() for p in run.module.parameters() if p.requires_grad),
        "epochs": recipe.epochs,
        "size": recipe.phases[-1].size,
        "steps": data.steps,
        "seconds_a_step": run.seconds / max(1, data.steps),
        "images": len(data.valid.items),
        "chosen_epoch": run.best["epoch"],
        "history": run.history,
    }
