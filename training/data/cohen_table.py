"""
`cohen.csv`: what the collection of Cohen et al. (covid-chestxray-dataset) says of each film, and what that counts as.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

from training.data.film import Group
from training.data.items import DataError

COHEN_TABLE = "cohen.csv"
_NEEDED = frozenset(
    {"file", "sex", "age", "finding", "view", "location", "license", "same_film_in_qata_train"}
)

GROUP_OF_FINDING: Mapping[str, Group] = {
    "COVID-19": Group.COVID,
    "COVID-19, ARDS": Group.COVID,
    # An infection of the lung, by a germ or as "Pneumonia".
    "Pneumonia": Group.PNEUMONIA,
    "Bacterial": Group.PNEUMONIA,
    "E.Coli": Group.PNEUMONIA,
    "Influenza": Group.PNEUMONIA,
    "Klebsiella": Group.PNEUMONIA,
    "Legionella": Group.PNEUMONIA,
    "Mycoplasma Bacterial Pneumonia": Group.PNEUMONIA,
    "Pneumocystis": Group.PNEUMONIA,
    "SARS": Group.PNEUMONIA,
    "Streptococcus": Group.PNEUMONIA,
    "Varicella": Group.PNEUMONIA,
    # Of COVID patients too, before or after: the film is free, whoever's it is.
    "No Finding": Group.NORMAL,
    # Oil in the alveoli: an opacity, but no germ.
    "Lipoid": Group.OPACITY,
    # The curators have not judged these. Their pages name infections, fibroses and lipoid pneumonias alike.
    "todo": Group.UNKNOWN,
}
"""A finding in the words of the table -> what it counts as. A finding that is not here is not labelled."""


def read_cohen_table(folder: Path) -> dict[str, dict[str, str]]:
    """
    Read the table in *folder*.

    Returns:
        name of the film, without its ending -> column -> text.

    Raises:
        DataError: the table is missing, or lacks a column.
    """
    path = folder / COHEN_TABLE
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if lacking := _NEEDED - set(rows.fieldnames or ()):
                raise DataError(f"{path} lacks the columns {sorted(lacking)}; fetch it again")
            return {Path(row["file"]).stem: row for row in rows}
    except FileNotFoundError:
        raise DataError(f"{path} is missing: without it nobody knows the films' licences") from None


def group_of_finding(finding: str) -> Group:
    """Give what a finding counts as; what is not in the table is not labelled."""
    return GROUP_OF_FINDING.get(finding, Group.UNKNOWN)
