"""Figures of the heads (`HeadsManifest.metrics`) -> Markdown tables, for card, RESULTS.md and README."""

from collections.abc import Mapping
from typing import Any

from training.evaluation.source_tables import SOURCE_NAMES

_FEW = frozenset({"normal", "nodule", "opacity without infection"})
_MANY = frozenset({"covid", "pneumonia", "infected"})
_CHILDREN = "children, one hospital in Guangzhou"
_LOOKS = {"lateral": "lateral views", "child": "children of one to five", "mirrored": "mirrored films"}


def findings_table(figures: Mapping[str, Any]) -> str:
    """Write by source how many films have a finding: by the zones alone, and with the head, learned from and not."""
    lines = [
        "| films of adults | should be | zones alone | source learned from, film not | source left out |",
        "|---|---|---|---|---|",
    ]
    infection = figures["infection"]
    for name, row in infection["folds"].items():
        source, group = name.split(", ", 1)
        should = "few" if group in _FEW else "many" if group in _MANY else "-"
        # Films of QaTa-COV19 and its normals are what the encoder learned from: that source is never left out.
        left_out = "-" if source in ("qata", "normals") else _found(infection["source left out"][name])
        cells = _found(infection["zones alone"][name]), _found(row), left_out
        lines.append(f"| {group}, {SOURCE_NAMES.get(source, source)} | {should} | {' | '.join(cells)} |")
    return "\n".join(lines)


def looks_table(figures: Mapping[str, Any]) -> str:
    """Write how many films the look refuses, of those that it should and of good ones."""
    lines = [
        "| refused by the look | source | film not learned from | source left out |",
        "|---|---|---|---|",
    ]
    for look, title in _LOOKS.items():
        folds, left_out = (figures["look"][kind][look] for kind in ("folds", "source left out"))
        for what, told in ((f"{look} refused", title), ("good films refused", f"good films, as {title}")):
            for source, row in folds[what].items():
                name = "all" if source == "all" else SOURCE_NAMES.get(source, _CHILDREN)
                lines.append(
                    f"| {told} | {name} | {_refused(row)} | {_refused(left_out[what].get(source))} |"
                )
    return "\n".join(lines)


def lungs_table(figures: Mapping[str, Any]) -> str:
    """Write the Dice of the lungs, the mean of right and left, on films that were left out."""
    lines = ["| lungs: Dice on films that were left out | JSRT | Cohen | children |", "|---|---|---|---|"]
    for kind, rows in figures["lungs"].items():
        cells = (
            f"{rows[source]['dice']:.3f} of {rows[source]['films']}" if source in rows else "-"
            for source in _LUNGS
        )
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


def short_table(figures: Mapping[str, Any]) -> str:
    """Write what a hospital asks first, in few rows."""
    infection, look = figures["infection"], figures["look"]["folds"]
    folds, without = infection["folds"], infection["source left out"]
    rows = [
        (f"{group}, {SOURCE_NAMES[source]}", "a finding", should, f"{source}, {group}")
        for source, group, should in (
            ("nih", "normal", "few"),
            ("jsrt", "normal", "few"),
            ("jsrt", "nodule", "few"),
            ("cohen", "covid", "many"),
        )
    ]
    lines = [
        "| films | answer | should be | source learned from, film not | source left out |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {films} | {answer} | {should} | {_found(folds[key])} | {_found(without[key])} |"
        for films, answer, should, key in rows
    ]
    for name, title in _LOOKS.items():
        refused, left_out = (
            part[name][f"{name} refused"]["all"] for part in (look, figures["look"]["source left out"])
        )
        lines.append(f"| {title} | refused | all | {_refused(refused)} | {_refused(left_out)} |")
    return "\n".join(lines)


_LUNGS = ("jsrt", "cohen", "viral")


def _found(row: Mapping[str, Any]) -> str:
    return _share(row["found"], row)


def _refused(row: Mapping[str, Any] | None) -> str:
    return "-" if row is None or not row["films"] else _share(row["refused"], row)


def _share(count: int, row: Mapping[str, Any]) -> str:
    low, high = row["interval"]
    return f"{count / row['films']:.1%} of {row['films']} ({low:.1%} to {high:.1%})"
