"""
Films of other hospitals, for what QaTa-COV19 cannot teach or measure: a folder for each kind -> films.

| folder | holds |
|---|---|
| normal, nodule | frontal films of adults without infection |
| covid, pneumonia, other | frontal films of adults; of Cohen's, `cohen.csv` says what each shows |
| lateral, child | films that are not to be judged |

A file is named `SOURCE__ORIGINALNAME.png`; "SOURCE-part" belongs to SOURCE.
"""

from collections.abc import Mapping
from pathlib import Path

from training.data.cohen_table import group_of_finding, read_cohen_table
from training.data.film import ADULT_YEARS, Film, Group
from training.data.items import DataError, Item
from training.data.licences import LICENCE_OF_SOURCE

GROUP_OF_FOLDER: Mapping[str, Group] = {
    "normal": Group.NORMAL,
    "nodule": Group.NODULE,
    "covid": Group.COVID,
    "pneumonia": Group.PNEUMONIA,
    "other": Group.UNKNOWN,
    "lateral": Group.LATERAL,
    "child": Group.CHILD,
}
LUNGS = "lungs"
"""Folder of lung masks, named like the films: 1 is the PATIENT's right lung, 2 the left one, 0 elsewhere."""
_COHEN = "cohen"
_FREE = (False,) * 6


def read_other_sources(folder: Path) -> list[Film]:
    """
    Read all films in *folder*, in the order of folders and names.

    Raises:
        DataError: there are none; or a film of Cohen's is not in `cohen.csv`, or that is missing.
    """
    paths = [path for kind in GROUP_OF_FOLDER for path in sorted((folder / kind).glob("*__*.png"))]
    if not paths:
        raise DataError(
            f"{folder} has no films SOURCE__NAME.png in {', '.join(GROUP_OF_FOLDER)}; name the folder of these"
        )
    cohen = read_cohen_table(folder) if any(source_of(path.stem) == _COHEN for path in paths) else {}
    return [_film(path, cohen) for path in paths]


def lungs_of(film: Film) -> Path | None:
    """Give the path of a film's lung mask; None: nobody drew one."""
    path = film.item.image.parent.parent / LUNGS / film.item.image.name
    return path if path.is_file() else None


def source_of(name: str) -> str:
    """Give the source of a film: the first word of its name."""
    return name.split("__")[0].split("-")[0]


def _film(path: Path, cohen: Mapping[str, Mapping[str, str]]) -> Film:
    source, group = source_of(path.stem), GROUP_OF_FOLDER[path.parent.name]
    if source == _COHEN:
        return _film_of_cohen(path, group, cohen)
    return Film(
        item=_item(path, group), source=source, group=group, licence=LICENCE_OF_SOURCE.get(source, "")
    )


def _film_of_cohen(path: Path, group: Group, cohen: Mapping[str, Mapping[str, str]]) -> Film:
    row = cohen.get(path.stem)
    if row is None:
        raise DataError(f"{path} is not in cohen.csv: its licence is unknown; take it out, or add its row")
    age = float(row["age"]) if row["age"] else None
    group = _group_of_cohen(row["finding"], age, group)
    return Film(
        item=_item(path, group),
        source=_COHEN,
        group=group,
        licence=row["license"],
        sex=row["sex"],
        age=age,
        view=row["view"],
        finding=row["finding"],
        country=row["location"].split(",")[-1].strip(),
        same_film_in_qata_train=bool(row["same_film_in_qata_train"]),
    )


def _group_of_cohen(finding: str, age: float | None, group: Group) -> Group:
    if not group.is_to_be_judged:
        return group
    return Group.CHILD if age is not None and age < ADULT_YEARS else group_of_finding(finding)


def _item(path: Path, group: Group) -> Item:
    return Item(name=path.stem, image=path, mask=None, zones=_FREE if group.is_free else None)
