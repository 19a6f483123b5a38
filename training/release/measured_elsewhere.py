"""Figures on films of other hospitals -> the manifest of released weights, its card, and the documents."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.model.weights import MANIFEST_FILE, Manifest, read_manifest
from training.data.credits import SHIPPED_SOURCES, credits_table
from training.evaluation.people import people_table
from training.evaluation.source_tables import short_table, tables_of
from training.release.marked_places import fill_places
from training.release.model_card import CARD_FILE, OTHER_SOURCES, model_card


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
        measured = {key: value for key, value in _read(figures, manifest).items() if key != "answers"}
        manifest = manifest.model_copy(update={"metrics": manifest.metrics | {OTHER_SOURCES: measured}})
        text = json.dumps(manifest.model_dump(mode="json"), indent=2) + "\n"
        (weights / MANIFEST_FILE).write_text(text)
    (weights / CARD_FILE).write_text(model_card(manifest))
    return manifest


def fill_documents(documents: Sequence[Path], manifest: Manifest) -> None:
    """
    Write the tables of *manifest* to the places of *documents* that are marked for them.

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
    for document in documents:
        fill_places(document, tables)


def _read(path: Path, manifest: Manifest) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
        figures: dict[str, Any] = content[OTHER_SOURCES]
        identity = figures["judge"]["weights"]
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f"{path} has no figures of `sgseg-train evaluate --other ... --json`") from None
    if identity != manifest.identity:
        raise ConfigError(
            f"{path} has figures of the weights {identity[:16]}, not of {manifest.identity[:16]}; measure these"
        )
    return figures
