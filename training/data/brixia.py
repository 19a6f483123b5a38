"""
`brixia.csv`: Brixia scores of two radiologists for films of Cohen's collection, in PATIENT laterality.

Each of the six zones has 0 to 3 (Borghesi and Maroldi, Radiol Med 2020; the scores: Signoroni et al., Med Image Anal
2021, CC BY-NC-SA 4.0): 0 no abnormality, 1 interstitial, 2 interstitial and alveolar, 3 mostly alveolar. Brixia's
zones are divided at the lower wall of the aortic arch and of the right inferior pulmonary vein.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from sgseg_dicom.zones import ZONES
from training.data.items import DataError

BRIXIA_TABLE = "brixia.csv"


@dataclass(frozen=True, slots=True)
class BrixiaScores:
    """
    The scores of one film.

    Attributes:
        senior, junior: 0 to 3 of each zone, in the order of `sgseg_dicom.zones.ZONES` (patient).
    """

    senior: tuple[int, ...]
    junior: tuple[int, ...]


def read_brixia(folder: Path) -> dict[str, BrixiaScores]:
    """
    Read the table in *folder*; give name of the film, without its ending -> scores. No table: no scores.

    Raises:
        DataError: a column is missing, or a score is no number.
    """
    path = folder / BRIXIA_TABLE
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {
                Path(row["file"]).stem: BrixiaScores(_scores(row, "senior"), _scores(row, "junior"))
                for row in csv.DictReader(file)
            }
    except (KeyError, ValueError) as error:
        raise DataError(f"{path} is no table of Brixia scores: {error!r}; fetch it again") from None


def _scores(row: dict[str, str], reader: str) -> tuple[int, ...]:
    return tuple(int(row[f"{reader}_{zone.name.replace(' ', '_')}"]) for zone in ZONES)
