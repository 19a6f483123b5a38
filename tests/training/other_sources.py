"""A small folder of films of other hospitals, drawn, in the layout of the real one."""

import csv
from pathlib import Path

import numpy as np

from sgseg_dicom.zones import ZONES
from tests.training.builders import draw

COHEN_COLUMNS = (
    *("file", "sex", "age", "finding", "view", "location", "license", "url", "same_film_in_qata_train"),
)
COHEN = (
    ("covid", "cohen__a", "F", "55", "COVID-19", "PA", "Milan, Italy", "CC BY-NC-SA 4.0", ""),
    ("covid", "cohen__b", "M", "71", "COVID-19, ARDS", "AP Supine", "Tokyo, Japan", "CC BY-NC-ND", ""),
    ("covid", "cohen__seen", "M", "", "COVID-19", "AP", "Italy", "", "covid_9.png"),
    ("covid", "cohen__twelve", "M", "12", "COVID-19", "PA", "China", "", ""),
    ("other", "cohen__free", "", "", "No Finding", "PA", "Germany", "CC BY 3.0", ""),
    ("other", "cohen__oil", "F", "30", "Lipoid", "PA", "Spain", "CC BY-NC-SA", ""),
    ("other", "cohen__germ", "M", "33", "Klebsiella", "PA", "Spain", "CC BY-NC-SA", ""),
    ("other", "cohen__todo", "M", "85", "todo", "PA", "Spain", "CC BY-NC-SA", ""),
    ("lateral", "cohen__side", "F", "55", "COVID-19", "L", "Italy", "CC BY 4.0", ""),
)
OTHERS = (
    *(("normal", "jsrt__1"), ("normal", "nih__00000007_000"), ("normal", "nih__00000007_001")),
    *(("nodule", "jsrt__2"), ("pneumonia", "nih__00000009_003")),
    *(("child", "kermany-viral__person3_virus_1"), ("child", "kermany-normal__IM-1"), ("child", "viral__1")),
)


def small_other_sources(folder: Path) -> Path:
    """Write films of grain, `cohen.csv`, `brixia.csv` for two of them, and one lung mask."""
    rng = np.random.default_rng(5)
    for kind, name in [*OTHERS, *((row[0], row[1]) for row in COHEN)]:
        draw(folder / kind / f"{name}.png", rng.integers(40, 80, (96, 120)))
    draw(folder / "lungs" / "jsrt__1.png", np.ones((96, 120)))
    rows = [dict(zip(COHEN_COLUMNS, (f"{row[1]}.png", *row[2:8], "", row[8]), strict=True)) for row in COHEN]
    _write(folder / "cohen.csv", rows)
    scored = {
        "cohen__a": ((0, 1, 3, 0, 0, 2), (0, 1, 3, 0, 1, 2)),
        "cohen__b": ((0,) * 6, (1, 0, 0, 0, 0, 0)),
    }
    _write(folder / "brixia.csv", [_scores(name, *pair) for name, pair in scored.items()])
    return folder


def _scores(name: str, senior: tuple[int, ...], junior: tuple[int, ...]) -> dict[str, object]:
    row: dict[str, object] = {"file": f"{name}.png"}
    for reader, scores in (("senior", senior), ("junior", junior)):
        row |= {
            f"{reader}_{zone.name.replace(' ', '_')}": score
            for zone, score in zip(ZONES, scores, strict=True)
        }
        row[f"{reader}_global"] = sum(scores)
    return row


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
