"""The part of `sgseg-train evaluate` that measures films of other hospitals (`--other`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.inference.network import Network
from training.data import Item, read_children
from training.image_check.measure import LATERAL


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """
    What `--other` and its companions ask for.

    Attributes:
        folder: of the films.
        sources, names: only films of these; empty: all.
        image_check: folder of the gate's weights; None: those that ship.
        kept: file of answers that are kept; None: none.
    """

    folder: Path
    sources: Sequence[str]
    names: Path | None
    image_check: Path | None
    kept: Path | None


def evaluate_other(
    network: Network,
    wanted: Wanted,
    *,
    infected: Sequence[Item] = (),
    normals: Path | None = None,
    split: str = "valid",
) -> dict[str, Any]:
    """
    Measure films of other hospitals.

    Args:
        network: the weights.
        wanted: which films, and how.
        infected: of QaTa-COV19: frontal films of adults that the gate alone looks at.
        normals: folder of normal radiographs, which are films of a source that was learned from; the children among
            them are to be refused; None: there are none.
        split: of *normals*.

    Raises:
        ConfigError, DataError, WeightsError: as the functions of `training.evaluation.other_sources`.
    """
    from sgseg_dicom.model.image_check import load_image_check
    from training.data import read_normals
    from training.evaluation.answers import WholeWay
    from training.evaluation.kept_answers import KeptAnswers
    from training.evaluation.other_sources import (
        answer_films,
        chosen_films,
        films_of_normals,
        judge_of,
        measure_other_sources,
        refusals_of,
    )

    way = WholeWay(network, load_image_check(wanted.image_check))
    judge = judge_of(way, wanted.image_check)
    films = chosen_films(wanted.folder, sources=wanted.sources, names=_names_in(wanted.names))
    frontal = [item for item in infected if not item.name.startswith(LATERAL)]
    good = refusals_of(way, "qata", frontal) if frontal else []
    if normals is not None:
        films += films_of_normals(
            read_normals(normals, split, undivided=True), read_children(normals, split, undivided=True)
        )
    answered = answer_films(way, films, KeptAnswers(wanted.kept, judge))
    return measure_other_sources(wanted.folder, answered, judge=judge, good_elsewhere=good)


def _names_in(path: Path | None) -> set[str]:
    """Read a file with a name in each line, with or without the ending; None: no names."""
    if path is None:
        return set()
    names = {line.strip().removesuffix(".png") for line in path.read_text().splitlines() if line.strip()}
    if not names:
        raise ConfigError(f"{path} names no film")
    return names
