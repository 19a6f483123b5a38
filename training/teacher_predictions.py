"""
What trained models think of the train images, for another to learn from (distillation).

Two annotators of this data agree at a Dice of 0.869: a mask is one opinion among possible ones. The mean of several
models errs less than each, and a model that learns from it beside the masks may take some of that over, at no cost to
the node. Ask teachers that did not learn from these images: those that did know their masks by heart, and learning
from them made a model worse (training/LOG.md).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.inference.network import Network
from sgseg_dicom.model.weights import load_members
from training.data import DataError, Item
from training.data.folds import Fold, fold_at
from training.evaluation.evaluate import model_input_of
from training.progress import progress
from training.provenance import learned_runs

_BATCH = 32


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Opinions:
    """
    Attributes:
        names: of the items.
        masks: uint8 (N, 224, 224), 255 times the chance of infection at a pixel, as the networks have it: no
            temperature is applied, and the teachers are surer than a calibrated node is.
        zones: float32 (N, 6), the chance of each zone, patient laterality; likewise.
        teachers: of each its weights (sha256) and what is known of its training.
    """

    names: tuple[str, ...]
    masks: NDArray[np.uint8]
    zones: NDArray[np.float32]
    teachers: tuple[dict[str, Any], ...]

    @property
    def facts(self) -> dict[str, Any]:
        """Name them: the teachers with their history, and the digest of what they said."""
        digest = hashlib.sha256(self.masks.tobytes() + self.zones.tobytes())
        return {"teachers": list(self.teachers), "digest": digest.hexdigest()}

    def of(self, items: Sequence[Item]) -> "Opinions":
        """
        Give the opinions of *items*, in their order.

        Raises:
            DataError: there is none of some item.
        """
        row_of = {name: row for row, name in enumerate(self.names)}
        if missing := [item.name for item in items if item.name not in row_of]:
            raise DataError(
                f"the teachers were not asked about {len(missing)} items, for example {missing[0]}; "
                "run `sgseg-train teach` with the same --data and --normals"
            )
        rows = [row_of[item.name] for item in items]
        names = tuple(item.name for item in items)
        return replace(self, names=names, masks=self.masks[rows], zones=self.zones[rows])


def together(teachers: Sequence[Path], *, sizes: Sequence[int] | None = None) -> Network:
    """
    Let the weights in these folders judge together, as members of one network, at *sizes*; None: those of the first.

    Raises:
        WeightsError: a folder's weights cannot be loaded.
    """
    loaded = [load_members(folder) for folder in teachers]
    members = [member for several, _ in loaded for member in several]
    history = {"members": [manifest.training | {"weights": manifest.sha256} for _, manifest in loaded]}
    first = loaded[0][1]
    way = {
        "members": len(members),
        "test_time_flip": True,
        "test_time_sizes": tuple(sizes or first.test_time_sizes),
        "training": history,
    }
    return Network(members, first.model_copy(update=way))


def ask_unseen(teachers: Sequence[Network], items: Sequence[Item]) -> Opinions:
    """
    Ask each teacher about the *items* that it did not learn from, `left_out` in its history.

    Raises:
        ConfigError: a teacher, or what it began with, learned from all; two left out the same part, or a part was
            left out by none.
        DataError, InferenceError: see `ask`.
    """
    parts = {_part_of(teacher): teacher for teacher in teachers}
    counts = {part.count for part in parts}
    if len(parts) < len(teachers) or len(counts) > 1 or len(parts) != min(counts):
        found = ", ".join(sorted(map(str, parts)))
        raise ConfigError(
            f"the teachers left out {found}; every part once is what is needed (`fit --leave-out`)"
        )
    asked = [
        ask(teacher, held) for part, teacher in parts.items() if (held := [i for i in items if part.holds(i)])
    ]
    joined = Opinions(
        names=tuple(name for one in asked for name in one.names),
        masks=np.concatenate([one.masks for one in asked]),
        zones=np.concatenate([one.zones for one in asked]),
        teachers=tuple(teacher for one in asked for teacher in one.teachers),
    )
    return joined.of(items)


def _part_of(teacher: Network) -> Fold:
    (history,) = teacher.manifest.training["members"]
    parts = {run.get("left_out") for run in learned_runs(history)}
    part = parts.pop() if len(parts) == 1 else None
    if part is None:
        raise ConfigError(
            f"teacher {history['weights'][:8]}, or what it began with, learned from all images or left out another "
            "part of them; ask without --unseen"
        )
    return fold_at(part)


def ask(teachers: Network, items: Sequence[Item]) -> Opinions:
    """
    Give the teachers' opinion of *items*, text-free, under the report that they write together.

    Raises:
        DataError: two items have one name.
        InferenceError: an answer is not a number.
    """
    names = tuple(item.name for item in items)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"two images are named {twice}; opinions are found by name: rename one")
    masks, zones = [], []
    for start in progress(range(0, len(items), _BATCH), "teachers"):
        inputs = [model_input_of(item) for item in items[start : start + _BATCH]]
        mask_logits, zone_logits = teachers.logits(inputs)
        masks.append((mask_logits.sigmoid()[:, 0] * 255).round().byte().numpy())
        zones.append(zone_logits.sigmoid().numpy())
    return Opinions(
        names=names,
        masks=np.concatenate(masks),
        zones=np.concatenate(zones),
        teachers=tuple(teachers.manifest.training["members"]),
    )


def write_opinions(opinions: Opinions, path: Path) -> None:
    """Write one compressed file. It holds what was learned of the radiographs: it stays with the data."""
    unfinished = path.with_name(f".{path.name}")
    with unfinished.open("wb") as file:  # numpy would add an ending to a path
        np.savez_compressed(
            file,
            names=np.array(opinions.names),
            masks=opinions.masks,
            zones=opinions.zones,
            teachers=np.array([json.dumps(teacher) for teacher in opinions.teachers]),
        )
    unfinished.rename(path)


def read_opinions(path: Path) -> Opinions:
    """
    Read a file of `write_opinions`.

    Raises:
        DataError: there is no such file, or it is another.
    """
    try:
        with np.load(path) as file:
            return Opinions(
                names=tuple(file["names"].tolist()),
                masks=file["masks"],
                zones=file["zones"],
                teachers=tuple(json.loads(text) for text in file["teachers"].tolist()),
            )
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, BadZipFile) as error:
        raise DataError(f"{path} is no file of `sgseg-train teach`: {error}") from None
