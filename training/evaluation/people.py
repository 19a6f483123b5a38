"""
How well people agree, beside the model: above this no figure of a model means much.

Sources: QaTa-COV19's masks drawn twice, and two annotators' masks of the same films, measured by this project;
Brixia, two radiologists (Signoroni et al. 2021); QaTa-COV19's captions beside the senior radiologist's scores (README
of this project's data). What the two radiologists say of the 104 films at hand is computed from `brixia.csv`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

_FILMS_WITH_SCORES = 192


class People(NamedTuple):
    """What was compared, how well people agree, and which figure of the model stands beside it ("": none)."""

    what: str
    people: str
    figure: str


PEOPLE = (
    People("masks: QaTa-COV19 annotated twice, micro Dice", "0.869", "dice_micro"),
    People("masks: two annotators of 50 same films, micro Dice", "0.722", "dice_micro"),
    People("the same, per image", "0.630", "dice_mean"),
    People(f"zones: two radiologists, Brixia, {_FILMS_WITH_SCORES} films, bits", "0.815", "zone_accuracy"),
    People("the same, all six", "0.464", "report_exact_match"),
    People("zones: the same radiologists, the 104 films at hand, bits", "0.824", ""),
    People("the same, all six", "0.481", ""),
    People("severity: their global scores, 104 films, Spearman", "0.875", ""),
    People("zones: QaTa-COV19's captions and the senior radiologist, bits", "0.778", "zone_accuracy"),
)


def people_table(metrics: Mapping[str, Any]) -> str:
    """
    Write people's agreement beside the model's figures as Markdown.

    Args:
        metrics: of a manifest. The model's figures on valid; with `other_sources`, its figures on Brixia's films too.
    """
    lines = ["| what is compared | people | model on QaTa-COV19 valid |", "|---|---|---|"]
    lines += [f"| {one.what} | {one.people} | {_number(metrics.get(one.figure))} |" for one in PEOPLE]
    brixia = metrics.get("other_sources", {}).get("brixia")
    return "\n".join(lines) + ("" if brixia is None else f"\n\n{brixia_table(brixia)}")


def brixia_table(brixia: Mapping[str, Any]) -> str:
    """Write `brixia_agreement` as Markdown: the model, and the junior radiologist on the same films."""
    marked = "share of both lungs marked" if brixia["of_lungs"] else "share of the image marked"
    lines = [
        f"| Brixia, beside the senior radiologist | films | {marked}: Spearman | zone bits | all six |",
        "|---|---|---|---|---|",
    ]
    rows = {"junior radiologist, all films with scores": (brixia["scored"], brixia["radiologists"])}
    for key, films in (("all", "films that were judged"), ("unseen", "of these, not in QaTa-COV19's train")):
        for reader in ("model", "junior"):
            rows[f"{'model' if reader == 'model' else 'junior radiologist'}, {films}"] = (
                brixia[key]["films"],
                brixia[key][reader],
            )
    for name, (count, row) in rows.items():
        numbers = " | ".join(_number(row[key]) for key in ("spearman", "zone_bits", "all_six"))
        lines.append(f"| {name} | {count} | {numbers} |")
    return "\n".join([*lines, "", "The junior's Spearman is that of the two global scores."])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
