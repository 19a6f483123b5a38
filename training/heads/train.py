"""The heads from films to files: encode, train, choose limits, measure, and write them beside the weights."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.model.head_weights import save_heads
from sgseg_dicom.model.heads import Heads
from sgseg_dicom.model.lungs import LungDecoder
from sgseg_dicom.model.weights import load_members
from sgseg_dicom.release.manifest import read_manifest
from training.data import digest_of
from training.heads.encoder import FrozenEncoder
from training.heads.feature_cache import FeatureCache, FilmCache, digest_of_passes
from training.heads.films import judged_films, look_views, lung_films
from training.heads.fit_infection import InfectionFit, fit_infection
from training.heads.fit_look import LookFit, fit_look, put_into
from training.heads.fit_lungs import Schedule, View, dice_of_lungs, encode_views, fit_lungs
from training.heads.judged import judge_films
from training.heads.linear_probe import folds_of
from training.heads.look_views import described
from training.heads.lung_views import STRENGTH, LungFilm, digest_of_drawn
from training.provenance import commit_of_checkout

_SHORT = 12
"""Epochs of the decoders that only measure what a source is worth that was left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Folders:
    """Where the data are: QaTa-COV19, normals, films of other hospitals; and where features are kept."""

    data: Path
    normals: Path
    other: Path
    cache: Path


def train_heads(folders: Folders, weights: Path, *, out: Path) -> dict[str, Any]:
    """
    Train the heads of *weights*, and write them to *out*.

    Returns:
        the figures that the manifest has.

    Raises:
        DataError: a folder is not as it should be.
        WeightsError: the weights cannot be loaded.
    """
    members, manifest = load_members(weights)
    encoder = FrozenEncoder(members, manifest)
    cache = FeatureCache(folder=folders.cache, weights=digest_of_passes(manifest))
    decoder, lung_figures = _lungs(lung_films(folders.other), encoder, cache)
    views = look_views(folders.data, folders.normals, folders.other)
    look = fit_look(described(views, encoder, cache))
    films = judged_films(folders.data, folders.normals, folders.other)
    infection = fit_infection(
        judge_films(films, members, manifest, cache),
        zone_temperature=manifest.calibration.zone_temperature,
        zones_threshold=manifest.thresholds.infection,
    )
    heads = _assembled(decoder, look, infection, encoder.channels, len(infection.probe.weights))
    figures = {"lungs": lung_figures, "look": look.figures, "infection": infection.figures}
    _write(
        heads,
        look,
        infection,
        weights=weights,
        out=out,
        facts={
            "member": encoder.member,
            "size": encoder.size,
            "training": {
                "command": "sgseg-train heads",
                "commit": commit_of_checkout(),
                "lungs": digest_of([film.item for film in lung_films(folders.other)]),
                "look": digest_of([view.item for view in views if not view.changed and not view.mirrored]),
                "infection": digest_of([film.item for film in films]),
            },
            "metrics": figures,
        },
    )
    return figures


def _lungs(
    films: list[LungFilm], encoder: FrozenEncoder, cache: FeatureCache
) -> tuple[LungDecoder, dict[str, Any]]:
    """
    Train on four fifths of the films, and measure on the others: the figures are those of what ships.

    What a source is worth that was left out is measured with shorter training.
    """
    schedule = Schedule()
    kept = cache.of(
        "lungs", [film.item for film in films], [STRENGTH, digest_of_drawn(films), schedule, _SHORT]
    )
    views = encode_views(films, encoder, kept, views=schedule.views)
    source = np.array([film.source for film in films])
    fold = folds_of([film.item.name for film in films], 5, seed=0)
    every = np.arange(len(films))
    decoder = _decoder(kept, "fold", views, every[fold != 0], schedule)
    figures: dict[str, Any] = {"a fifth left out": _dice(decoder, views[0], every[fold == 0], source)}
    short = Schedule(epochs=_SHORT)
    for name in np.unique(source):
        others = _decoder(kept, f"without-{name}", views, every[source != name], short)
        figures[f"{name} left out, {_SHORT} epochs"] = _dice(others, views[0], every[source == name], source)
    return decoder, figures


def _decoder(
    cache: FilmCache, name: str, views: list[View], places: NDArray[np.int64], schedule: Schedule
) -> LungDecoder:
    """Train a decoder, or take it from *cache*."""
    state = cache.tensors(name, lambda: fit_lungs(views, places, schedule).state_dict())
    decoder = LungDecoder([one.shape[1] for one in views[0].features])
    decoder.load_state_dict(state)
    return decoder.eval()


def _dice(
    decoder: LungDecoder, view: View, places: NDArray[np.int64], source: NDArray[np.str_]
) -> dict[str, Any]:
    dice = dice_of_lungs(decoder, view, places)
    return {
        str(name): {
            "films": int((source[places] == name).sum()),
            "dice": float(dice[source[places] == name].mean()),
        }
        for name in np.unique(source[places])
    }


def _assembled(
    decoder: LungDecoder, look: LookFit, infection: InfectionFit, channels: list[int], content: int
) -> Heads:
    heads = Heads(channels, passes=content // (2 * sum(channels[1:])))
    heads.lungs.load_state_dict(decoder.state_dict())
    put_into(heads, {**look.probes, "infection": infection.probe})
    return heads.eval()


def _write(
    heads: Heads, look: LookFit, infection: InfectionFit, *, weights: Path, out: Path, facts: dict[str, Any]
) -> None:
    """Write the heads beside the weights; to another folder with a copy of these."""
    if out != weights:
        shutil.copytree(weights, out, dirs_exist_ok=True)
    save_heads(
        heads,
        out,
        facts=facts
        | {
            "weights": read_manifest(out).sha256,
            "passes": heads.passes,
            "look": look.limits,
            "infection": infection.threshold,
        },
    )
