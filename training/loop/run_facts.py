"""run.json: what a run depends on. A resumed run must depend on the same."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only

from sgseg_dicom.errors import ConfigError
from training.data import Item, digest_of
from training.data.children import WHY
from training.loop.environment import warn_of_another
from training.provenance import commit_of_checkout
from training.recipe import Recipe


def facts_of(items: Sequence[Item], *, children_left_out: int = 0) -> dict[str, Any]:
    """
    Describe a set of images: their numbers, and the digest of all that they contain.

    `zones_from_masks` counts the images whose zones no caption names, but their masks. Where *children_left_out* of
    the normal radiographs were no adults', `left_out` says how many and why. Without any such image the key is
    missing, as in older runs.
    """
    facts: dict[str, Any] = {
        "infected": sum(item.mask is not None for item in items),
        "normal": sum(item.mask is None for item in items),
        "digest": digest_of(items),
    }
    if measured := sum(item.zones_from_mask for item in items):
        facts["zones_from_masks"] = measured
    if children_left_out:
        facts["left_out"] = {"children": children_left_out, "why": WHY}
    return facts


def record_facts(
    path: Path, facts: dict[str, Any], *, resumes: bool, environment: dict[str, Any] | None = None
) -> None:
    """
    Write what a run depends on; or, if it *resumes*, check that it depends on the same as when it began.

    The code and the *environment* may have changed since then. `resumed_at` lists each other commit that the run
    resumed with, `resumed_under` each other environment; the log warns of these.

    Raises:
        ConfigError: recipe, data, start, teacher predictions or devices are not those that the run began with.
    """
    if not resumes:
        _write(path, facts | {"commit": commit_of_checkout(), "environment": environment})
        return
    written = json.loads(path.read_text())
    begun = {"devices": 1, "opinions": None, "left_out": None, "set": []} | written  # missing in older runs
    # A recipe key may be newer than the run: validation adds its default.
    begun["recipe"] = Recipe.model_validate(begun["recipe"]).model_dump(mode="json")
    if changed := [name for name in facts if facts[name] != begun.get(name)]:
        raise ConfigError(f"{path.parent} began with another {' and '.join(changed)}; name a new folder")
    _write(path, written | _changes(written, environment))


def _changes(written: dict[str, Any], environment: dict[str, Any] | None) -> dict[str, Any]:
    """Give the lists of other commits and environments, longer where this start is another one."""
    changes: dict[str, Any] = {}
    commits = written.get("resumed_at", [])
    if (commit := commit_of_checkout()) not in [written.get("commit"), *commits]:
        changes["resumed_at"] = [*commits, commit]
    first = written.get("environment")  # older runs have none
    if first is not None and environment is not None:
        others = written.get("resumed_under", [])
        if warn_of_another(first, environment) and environment not in others:
            changes["resumed_under"] = [*others, environment]
    return changes


@rank_zero_only
def _write(path: Path, facts: dict[str, Any]) -> None:
    path.write_text(json.dumps(facts, indent=2))
