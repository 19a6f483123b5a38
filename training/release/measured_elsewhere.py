"""Figures on films of other hospitals -> the manifest of released weights, its card, and the documents."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.release.heads_manifest import (
    HEADS_MANIFEST_FILE,
    HeadsManifest,
    joint_identity,
    read_heads_manifest,
)
from sgseg_dicom.release.manifest import MANIFEST_FILE, Manifest, read_manifest
from training.data.credits import SHIPPED_SOURCES, credits_table
from training.evaluation.people import people_table
from training.evaluation.source_tables import short_table, tables_of
from training.heads.tables import findings_table, looks_table, lungs_table
from training.heads.tables import short_table as heads_in_short
from training.release.marked_places import fill_places
from training.release.model_card import CARD_FILE, OTHER_SOURCES, card_of


def record_figures(weights: Path, figures: Path | None) -> Manifest:
    """
    Write the figures in a JSON file of `evaluate --other` to the manifest of *weights*, and the card anew.

    Answers to single films stay out of the manifest. Without a file only the card is written.

    Raises:
        WeightsError: the folder has no sound manifest.
        ConfigError: the file has no such figures, or those of other weights.
    """
    manifest = read_manifest(weights)
    if figures is not None:
        heads = heads_of(weights)
        judge = manifest.identity if heads is None else joint_identity(manifest, heads)
        measured = {key: value for key, value in _read(figures, judge).items() if key != "answers"}
        manifest = manifest.model_copy(update={"metrics": manifest.metrics | {OTHER_SOURCES: measured}})
        text = json.dumps(manifest.model_dump(mode="json"), indent=2) + "\n"
        (weights / MANIFEST_FILE).write_text(text)
    (weights / CARD_FILE).write_text(card_of(weights))
    return manifest


def fill_documents(documents: Sequence[Path], manifest: Manifest, heads: HeadsManifest | None = None) -> None:
    """
    Write the tables of *manifest*, and of *heads*, to the places of *documents* that are marked for them.

    Raises:
        ConfigError: a document has no place for any of them.
    """
    metrics = manifest.metrics
    tables = {
        "people": people_table(metrics),
        "credits": credits_table(manifest.training.get("sources", SHIPPED_SOURCES)),
    }
    if OTHER_SOURCES in metrics:
        tables |= {
            "by source": tables_of(metrics[OTHER_SOURCES]),
            "by source, short": short_table(metrics[OTHER_SOURCES]),
        }
    if heads is not None:
        figures = heads.metrics
        parts = (findings_table(figures), looks_table(figures), lungs_table(figures))
        tables |= {"heads": "\n\n".join(parts), "heads, short": heads_in_short(figures)}
    for document in documents:
        fill_places(document, tables)


def heads_of(weights: Path) -> HeadsManifest | None:
    """Give the manifest of the heads in a folder of weights; None where there are none."""
    return read_heads_manifest(weights) if (weights / HEADS_MANIFEST_FILE).exists() else None


def _read(path: Path, judge: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
        figures: dict[str, Any] = content[OTHER_SOURCES]
        identity = figures["judge"]["weights"]
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f"{path} has no figures of `sgseg-train evaluate --other ... --json`") from None
    if identity != judge:
        raise ConfigError(
            f"{path} has figures of the weights {identity[:16]}, not of {judge[:16]}; measure these"
        )
    return figures
