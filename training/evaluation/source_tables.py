"""Figures by source -> Markdown tables, for the screen, RESULTS.md, the model card and the README."""

from collections.abc import Mapping, Sequence
from typing import Any

SOURCE_NAMES: Mapping[str, str] = {
    "jsrt": "JSRT, Japan",
    "nih": "NIH, US",
    "cohen": "Cohen, many hospitals",
    "kermany": "Kermany, China",
    "viral": "Kermany, through the Radiography Database",
    "normals": "Radiography Database (learned from)",
    "qata": "QaTa-COV19",
}
_SHOULD: Mapping[str, str] = {
    "normal": "few",
    "nodule": "few",
    "covid": "many",
    "pneumonia": "many",
    "opacity without infection": "few",
    "not labelled": "-",
}


def tables_of(figures: Mapping[str, Any]) -> str:
    """Write every table of `training.evaluation.source_figures.figures_by_source`."""
    parts = [
        findings_table(figures["findings"]),
        _refused_table(figures["to_refuse"], "not to be judged: refused", with_group=True),
        _refused_table(figures["good_refused"], "good frontal films of adults: refused", with_group=False),
        *(_part_table(name, rows) for name, rows in figures["infected_of_cohen"].items()),
    ]
    return "\n\n".join(part for part in parts if part)


def findings_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write how many films have a finding, by group and source; a refused film has none."""
    lines = [
        "| films of adults | source | should be | with a finding | of | share | 95 % | refused |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        group = row["group"] + (", also in QaTa-COV19's train" if row["in_qata_train"] else "")
        should = _SHOULD.get(row["group"], "-")
        lines.append(f"| {group} | {_source(row)} | {should} | {_cells(row['found'])} | {row['refused']} |")
    return "\n".join(lines) if rows else ""


def short_table(figures: Mapping[str, Any]) -> str:
    """Write what a hospital asks first: findings, and refusals of what should be refused and of what should not."""
    lines = ["| films | source | answer | share of n (95 %) |", "|---|---|---|---|"]
    for row in figures["findings"]:
        if _SHOULD.get(row["group"], "-") != "-" and not row["in_qata_train"]:
            answer = f"a finding ({_SHOULD[row['group']]} would be right)"
            lines.append(f"| {row['group']} | {_source(row)} | {answer} | {_short(row['found'])} |")
    lines += [
        f"| {row['group']} | {_source(row)} | refused (all would be right) | {_short(row['refused'])} |"
        for row in figures["to_refuse"]
    ]
    lines += [
        f"| good, frontal, adult | {_source(row)} | refused (none would be right) | {_short(row['refused'])} |"
        for row in figures["good_refused"]
    ]
    return "\n".join(lines)


def _refused_table(rows: Sequence[Mapping[str, Any]], title: str, *, with_group: bool) -> str:
    lines = [f"| {title} | refused | of | share | 95 % | reasons |", "|---|---|---|---|---|---|"]
    for row in rows:
        name = f"{row['group']}, {_source(row)}" if with_group else _source(row)
        reasons = ", ".join(f"{reason} {count}" for reason, count in row["reasons"].items())
        lines.append(f"| {name} | {_cells(row['refused'])} | {reasons or '-'} |")
    return "\n".join(lines) if rows else ""


def _part_table(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        f"| infected films of Cohen's, by {name} | with a finding | of | share | 95 % | refused |",
        "|---|---|---|---|---|---|",
    ]
    lines += [f"| {row['value']} | {_cells(row['found'])} | {_short(row['refused'])} |" for row in rows]
    return "\n".join(lines) if rows else ""


def _source(row: Mapping[str, Any]) -> str:
    return SOURCE_NAMES.get(row["source"], row["source"])


def _cells(rate: Mapping[str, Any]) -> str:
    low, high = rate["interval"]
    share = "-" if rate["share"] is None else f"{100 * rate['share']:.1f} %"
    return f"{rate['count']} | {rate['n']} | {share} | {100 * low:.1f} to {100 * high:.1f}"


def _short(rate: Mapping[str, Any]) -> str:
    low, high = rate["interval"]
    share = "-" if rate["share"] is None else f"{100 * rate['share']:.1f} %"
    return f"{share} of {rate['n']} ({100 * low:.1f} to {100 * high:.1f})"
