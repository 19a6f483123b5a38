"""How far the exported graph agrees with torch in float32, film by film; kept, so that a stopped run goes on."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sgseg_dicom.errors import WeightsError
from sgseg_dicom.inference.decision import judged_each
from sgseg_dicom.inference.exported_network import ExportedNetwork, load_exported_network
from sgseg_dicom.inference.network import Network, load_network
from sgseg_dicom.inference.runtime import Precision
from sgseg_dicom.model_records import Prediction
from sgseg_dicom.release.graph import GraphManifest, describe_graph, read_graph_manifest
from training.data import DataError, Item
from training.evaluation.evaluate import model_input_of
from training.progress import progress


@dataclass(frozen=True, kw_only=True, slots=True)
class FilmAgreement:
    """
    How far two answers to one film agree.

    Attributes:
        name: of the film.
        dice: of both masks, 0 to 1; 1 where both are empty.
        zones: whether both name the same zones.
        finding: whether both say "infected", or neither.
        lungs: share of the pixels that both count to the same lung or to none.
        mask_logits: largest difference of a pixel's logit.
    """

    name: str
    dice: float
    zones: bool
    finding: bool
    lungs: float
    mask_logits: float


def measure_agreement(
    folder: Path, items: Sequence[Item], *, kept: Path, cache: Path | None = None
) -> GraphManifest:
    """
    Compare the graph in *folder* with torch on *items*, and write the figures to its description.

    Args:
        folder: of weights and graph.
        items: films.
        kept: file of JSON lines; films that it has already are not compared again.
        cache: folder for the compiled graph.

    Raises:
        WeightsError: weights and graph do not belong together.
        DataError: *kept* is about another graph.
    """
    network = load_network(folder, device="cpu", precision=Precision.FLOAT32)
    heads = network.heads_manifest
    known = read_graph_manifest(
        folder, weights=network.manifest.sha256, heads="" if heads is None else heads.sha256
    )
    if known is None:
        raise WeightsError(f"{folder} has no exported graph; `sgseg-train export-graph` makes it")
    exported = load_exported_network(folder, cache=cache)
    films = _read_kept(kept, known.sha256)
    with kept.open("a") as file:
        for film in _compared([item for item in items if item.name not in films], network, exported):
            films[film.name] = film
            file.write(json.dumps(asdict(film)) + "\n")
            file.flush()
    manifest = known.model_copy(update={"agreement": summary_of([films[item.name] for item in items])})
    describe_graph(manifest, folder)
    return manifest


def summary_of(films: Sequence[FilmAgreement]) -> dict[str, Any]:
    """Give the figures of all films together."""
    return {
        "films": len(films),
        "least_dice": min(film.dice for film in films),
        "mean_dice": float(np.mean([film.dice for film in films])),
        "other_zones": sum(not film.zones for film in films),
        "other_findings": sum(not film.finding for film in films),
        "least_lungs": min(film.lungs for film in films),
        "largest_mask_logit_difference": max(film.mask_logits for film in films),
    }


def _compared(items: Sequence[Item], network: Network, exported: ExportedNetwork) -> Iterator[FilmAgreement]:
    for item in progress(items, "torch and the exported graph"):
        given = [model_input_of(item)]
        theirs, (ours,) = network.raw_answers(given), exported.raw_answers(given)
        one, other = (
            judged
            for raw in (theirs, ours)
            for judged in judged_each(raw, network.manifest, network.heads_manifest)
        )
        if not isinstance(one, Prediction) or not isinstance(other, Prediction):
            raise DataError(f"{item.name} has an answer that is not a number")
        yield FilmAgreement(
            name=item.name,
            dice=_dice(one, other),
            zones=one.zones == other.zones,
            finding=any(one.zones) == any(other.zones),
            lungs=1.0
            if one.lungs is None or other.lungs is None
            else float((one.lungs == other.lungs).mean()),
            mask_logits=float(np.abs(theirs.mask_logits - ours.mask_logits).max()),
        )


def _dice(one: Prediction, other: Prediction) -> float:
    both, all_ = (one.mask & other.mask).sum(), one.mask.sum() + other.mask.sum()
    return float(2 * both / all_) if all_ else 1.0


def _read_kept(kept: Path, graph: str) -> dict[str, FilmAgreement]:
    """Give what is kept of this graph; the file's first line names it."""
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps({"graph": graph}) + "\n")
        return {}
    whole = kept.read_text().rsplit("\n", 1)[0].splitlines()  # a line that was cut off is made again
    first, *rows = [json.loads(line) for line in whole]
    if first != {"graph": graph}:
        raise DataError(f"{kept} is about another graph; name a new file")
    kept.write_text("".join(f"{line}\n" for line in whole))
    return {row["name"]: FilmAgreement(**row) for row in rows}
