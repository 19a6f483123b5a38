"""
Are the lungs that were found whole? Measured on the lungs themselves, after the model has judged.

`lung_coverage` guesses from fixed places of the image before that, and stays a coarse guard: a straight cut that took
a lung away altogether leaves nothing to measure.
"""

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.findings.lung_fields import LungFields
from sgseg_dicom.refusal_reasons import RefusalReason
from sgseg_dicom.zones import Laterality

MOST_CUT = 0.2
"""
Share of a lung's outline that may run along the edge.

A costophrenic angle that touches it takes 0.02 to 0.05; a lung that is cut at half its height about 0.2, one that is
cut lengthwise through its middle about 0.4. Of 2,464 films of six sources 5 have more than 0.2, none more than 0.25.
"""


def require_whole_lungs(fields: LungFields, padding: NDArray[np.bool_] | None) -> None:
    """
    Refuse an image whose edge, padding or shutter cuts a lung: what is cut off was not judged.

    Args:
        fields: the lungs that are found; where there are none, nothing is refused.
        padding: as `ModelInput.padding`.

    Raises:
        NotApplicable: the reason is "cut-off".
    """
    for side, share in cut_shares(fields, padding).items():
        if share > MOST_CUT:
            raise NotApplicable(
                f"the edge of the image, padding or the display shutter cuts the {side.word} lung; send the whole "
                "image",
                reason=RefusalReason.CUT_OFF,
            )


def cut_shares(fields: LungFields, padding: NDArray[np.bool_] | None = None) -> dict[Laterality, float]:
    """
    Give for each lung that is found the share of its outline, 0 to 1, that runs along the edge.

    The outline is counted in sides of pixels. The edge is that of the image, and of the padding: what of a lung lies
    under padding is taken away first. A lung that lies all under padding has 1.

    Args:
        fields: the lungs that are found.
        padding: bool, like their masks, True where there is no image; None where that is nowhere.
    """
    shares = {}
    for side, field in fields.items():
        hidden = np.zeros_like(field.mask) if padding is None else padding
        shares[side] = _cut_share(field.mask & ~hidden, np.pad(hidden, 1, constant_values=True))
    return shares


def _cut_share(lung: NDArray[np.bool_], edge: NDArray[np.bool_]) -> float:
    """Divide the pixel sides between the lung and *edge* (wider by one all round) by those of its whole outline."""
    within = np.pad(lung, 1)
    cut = outline = 0
    for axis in (0, 1):
        for step in (-1, 1):
            across = within & ~np.roll(within, step, axis=axis)
            outline += int(np.count_nonzero(across))
            cut += int(np.count_nonzero(across & np.roll(edge, step, axis=axis)))
    return cut / outline if outline else 1.0
