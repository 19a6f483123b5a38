"""How much of each lung, and of each of its zones, is marked."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.findings.components import Component
from sgseg_dicom.findings.lung_fields import zone_rows
from sgseg_dicom.zones import Laterality


@dataclass(frozen=True, kw_only=True, slots=True)
class LungShares:
    """
    Marked shares of the lungs that were found, each 0 to 1.

    Attributes:
        of_lungs: by the patient's lung; one that was not found is missing.
        of_both: of both lungs' area together; None unless both were found.
        of_zones: in the order of `sgseg_dicom.zones.ZONES`; None unless both were found.
    """

    of_lungs: Mapping[Laterality, float]
    of_both: float | None = None
    of_zones: tuple[float, ...] | None = None


def lung_shares_of(
    lungs: Mapping[Laterality, Component], regions: Mapping[Laterality, NDArray[np.bool_]]
) -> LungShares:
    """
    Measure both on one displayed grid.

    Args:
        lungs: those that were found.
        regions: of both lungs, bool (rows, columns). Of a region, what lies in its own lung counts.
    """
    marked = {side: regions[side][lung.rows, lung.columns] & lung.mask for side, lung in lungs.items()}
    counts = {side: int(np.count_nonzero(mask)) for side, mask in marked.items()}
    of_lungs = {side: _share(counts[side], lung.size) for side, lung in lungs.items()}
    if len(lungs) < len(Laterality):
        return LungShares(of_lungs=of_lungs)
    return LungShares(
        of_lungs=of_lungs,
        of_both=_share(sum(counts.values()), sum(lung.size for lung in lungs.values())),
        of_zones=tuple(
            _share(int(np.count_nonzero(marked[side][rows])), int(np.count_nonzero(lungs[side].mask[rows])))
            for side in Laterality
            for rows in zone_rows(lungs[side])
        ),
    )


def _share(marked: int, area: int) -> float:
    return marked / area if area else 0.0
