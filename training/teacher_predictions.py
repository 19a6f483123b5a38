"""
Predictions of trained models (teachers) for the train images: another model learns from them (distillation).

Two annotators of this data agree at a Dice of 0.869: a mask is one of several possible ones. The mean of several
models has smaller errors than each model. A model that learns from this mean, and from the masks, may become as good,
and it costs the node no time. The teachers should not have learned from these images. Teachers that did know the
masks by heart, and a model that learned from them became worse (training/LOG.md).
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
class TeacherPredictions:
    """
    What teachers predict for some items.

    Attributes:
        names: of the items.
        masks: uint8 (N, 224, 224), 255 times the probability of infection at a pixel. They are not calibrated: no
            temperature is applied, so they lie closer to 0 and 1 than those of the node.
        zones: float32 (N, 6), the probability of each zone, patient laterality; not calibrated either.
        teachers: of each teacher its weights (sha256) and what is known of its training.
    """

    names: tuple[str, ...]
    masks: NDArray[np.uint8]
    zones: NDArray[np.float32]
    teachers: tuple[dict[str, Any], ...]

    @property
    def facts(self) -> dict[str, Any]:
        """Describe them: the teachers with their histories, and the digest of the predictions."""
        digest = hashlib.sha256(self.masks.tobytes() + self.zones.tobytes())
        return {"teachers": list(self.teachers), "digest": digest.hexdigest()}

    def of(self, items: Sequence[Item]) -> "TeacherPredictions":
        """
        Give the predictions for *items*, in their order.

        Raises:
            DataError: there is none for some item.
        """
        row_of = {name: row for row, name in enumerate(self.names)}
        if missing := [item.name for item in items if item.name not in row_of]:
            raise DataError(
                f"the file has no teacher predictions for {len(missing)} items, for example {missing[0]}; "
                "run `sgseg-train teach` with the same --data and --normals"
            )
        rows = [row_of[item.name] for item in items]
        names = tuple(item.name for item in items)
        return replace(self, names=names, masks=self.masks[rows], zones=self.zones[rows])


def ensemble_of(teachers: Sequence[Path], *, sizes: Sequence[int] | None = None) -> Network:
    """
    Load the weights in these folders as one ensemble, with passes at *sizes*; None: the sizes of the first folder.

    Raises:
        WeightsError: a folder's weights cannot be loaded.
    """
    loaded = [load_members(folder) for folder in teachers]
    members = [member for several, _ in loaded for member in several]
    history = {"members": [manifest.training | {"weights": manifest.sha256} for _, manifest in loaded]}
    first = loaded[0][1]
    changed = {
        "members": len(members),
        "test_time_flip": True,
        "test_time_sizes": tuple(sizes or first.test_time_sizes),
        "training": history,
    }
    return Network(members, first.model_copy(update=changed))


def predict_unseen(teachers: Sequence[Network], items: Sequence[Item]) -> TeacherPredictions:
    """
    Let each teacher predict the *items* that it did not learn from: `left_out` in its history.

    Raises:
        ConfigError: a teacher, or the weights that it began with, learned from all items; two teachers left out the
            same part; or no teacher left out some part.
        DataError, InferenceError: see `predict_by`.
    """
    parts = {_part_of(teacher): teacher for teacher in teachers}
    counts = {part.count for part in parts}
    if len(parts) < len(teachers) or len(counts) > 1 or len(parts) != min(counts):
        found = ", ".join(sorted(map(str, parts)))
        raise ConfigError(
            f"the teachers left out {found}; each part must be left out by one of them (`fit --leave-out`)"
        )
    of_parts = [
        predict_by(teacher, held)
        for part, teacher in parts.items()
        if (held := [item for item in items if part.holds(item)])
    ]
    joined = TeacherPredictions(
        names=tuple(name for one in of_parts for name in one.names),
        masks=np.concatenate([one.masks for one in of_parts]),
        zones=np.concatenate([one.zones for one in of_parts]),
        teachers=tuple(teacher for one in of_parts for teacher in one.teachers),
    )
    return joined.of(items)


def _part_of(teacher: Network) -> Fold:
    (history,) = teacher.manifest.training["members"]
    parts = {run.get("left_out") for run in learned_runs(history)}
    part = parts.pop() if len(parts) == 1 else None
    if part is None:
        raise ConfigError(
            f"teacher {history['weights'][:8]}, or the weights that it began with, learned from all images or left "
            "out another part; use `teach` without --unseen"
        )
    return fold_at(part)


def predict_by(teachers: Network, items: Sequence[Item]) -> TeacherPredictions:
    """
    Predict *items* by one ensemble of teachers, under the report that it writes itself.

    Raises:
        DataError: two items have the same name.
        InferenceError: a logit is not a number.
    """
    names = tuple(item.name for item in items)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"two images are named {twice}; teacher predictions are found by name: rename one")
    masks, zones = [], []
    for start in progress(range(0, len(items), _BATCH), "teachers"):
        inputs = [model_input_of(item) for item in items[start : start + _BATCH]]
        mask_logits, zone_logits = teachers.logits(inputs)
        masks.append((mask_logits.sigmoid()[:, 0] * 255).round().byte().numpy())
        zones.append(zone_logits.sigmoid().numpy())
    return TeacherPredictions(
        names=names,
        masks=np.concatenate(masks),
        zones=np.concatenate(zones),
        teachers=tuple(teachers.manifest.training["members"]),
    )


def write_teacher_predictions(predictions: TeacherPredictions, path: Path) -> None:
    """Write one compressed file. It shows much of the radiographs: keep it with the data."""
    unfinished = path.with_name(f".{path.name}")
    with unfinished.open("wb") as file:  # given a path, numpy would add an ending
        np.savez_compressed(
            file,
            names=np.array(predictions.names),
            masks=predictions.masks,
            zones=predictions.zones,
            teachers=np.array([json.dumps(teacher) for teacher in predictions.teachers]),
        )
    unfinished.rename(path)


def read_teacher_predictions(path: Path) -> TeacherPredictions:
    """
    Read a file of `write_teacher_predictions`.

    Raises:
        DataError: there is no such file, or it is another file.
    """
    try:
        with np.load(path) as file:
            return TeacherPredictions(
                names=tuple(file["names"].tolist()),
                masks=file["masks"],
                zones=file["zones"],
                teachers=tuple(json.loads(text) for text in file["teachers"].tolist()),
            )
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, BadZipFile) as error:
        raise DataError(f"{path} is not a file of `sgseg-train teach`: {error}") from None
