"""The colour of each lung, in pictures and as SEG and presentation state recommend it to viewers."""

from collections.abc import Mapping

from sgseg_dicom.zones import Laterality

LUNG_COLOURS: Mapping[Laterality, tuple[int, int, int]] = {
    Laterality.RIGHT: (255, 149, 0),
    Laterality.LEFT: (0, 176, 255),
}
"""sRGB. Orange and blue stay apart for every kind of colour blindness (Okabe and Ito, Color Universal Design)."""
