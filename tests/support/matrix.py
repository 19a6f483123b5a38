"""
The sources of the matrix test: what hospitals send, every pair of two properties at least once.

The full product has millions of cells; most faults need one value or two together (a covering array of
strength two, made by the kept library allpairspy).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from allpairspy import AllPairs
from numpy.typing import NDArray
from pydicom import uid
from pydicom.uid import UID

from sgseg_dicom.model_records import INPUT_SIZE
from sgseg_dicom.records import Algorithm, ModelInput, Orientation, Prediction
from sgseg_dicom.result_kinds import Kind, Wanted
from sgseg_dicom.zones import ZONES, Laterality
from tests.support.builders import LOSSLESS_SYNTAXES, LOSSY_SYNTAXES, synthetic_chest, write
from tests.support.predictions import ALGORITHM, ORIENTATIONS, stored_as

THRESHOLD = 0.8
"""Of the range from black to the drawn spot: between it and the brightest tissue."""

_TISSUE = 2600
_SPOT = 4095
_PLACES = {Laterality.RIGHT: (0.56, 0.27), Laterality.LEFT: (0.42, 0.74)}
"""Where the spot of a lung lies in the standard display, as shares of its height and width."""


class Texts(NamedTuple):
    """
    How a source declares and writes its texts.

    Attributes:
        declared: Specific Character Set (0008,0005) as written; None leaves it out.
        name: Patient's Name, as it is meant.
        study: Study Description, as it is meant.
        bytes_in: the encoding of the bytes where it is not the declared one.
    """

    declared: str | Sequence[str] | None
    name: str
    study: str
    bytes_in: str | None = None


TEXTS = {
    "Latin-1": Texts("ISO_IR 100", "Müller^Ángela", "Thorax stehend, Übersicht"),
    "Japanese": Texts(["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", "胸部 正面"),
    "Korean": Texts(["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동", "흉부 정면"),
    "Chinese": Texts("GB18030", "Wang^XiaoDong=王^小东", "胸部正位"),
    "Cyrillic": Texts("ISO_IR 144", "Люкceмбypг^Анна", "Грудная клетка"),
    "Greek": Texts("ISO_IR 126", "Διονυσιος^Αννα", "Θώρακας"),
    "Arabic": Texts("ISO_IR 127", "قباني^لنزار", "أشعة الصدر"),
    "UTF-8": Texts("ISO_IR 192", "Łukasz^Zoë=山田^太郎", "胸部 – Thorax"),
    "absent, Latin-1 bytes": Texts(None, "Müller^Ángela", "Übersicht"),
    "Latin-1, UTF-8 bytes": Texts("ISO_IR 100", "Müller^Łucja", "胸部 – Übersicht", bytes_in="utf-8"),
    "UTF-8, Latin-1 bytes": Texts("ISO_IR 192", "Müller^Ángela", "Übersicht", bytes_in="latin-1"),
    "absent, Japanese bytes": Texts(None, "Yamada^Tarou=山田^太郎", "胸部 正面", bytes_in="iso2022_jp"),
}
SIZES = ((256, 224), (301, 203), (240, 250), (225, 321), (192, 256), (331, 196))
"""(Rows, Columns) of the standard display: odd ones, and Columns that are no multiple of 8, either way up."""

SPACINGS = {
    "at the detector": {},
    "unknown": {"ImagerPixelSpacing": None},
    "calibrated": {"PixelSpacing": [0.2, 0.3], "PixelSpacingCalibrationType": "GEOMETRY"},
}
FORMS = {
    "default": Wanted(),
    "older": Wanted(segmentation="binary", sr_class="comprehensive"),
    "fractional": Wanted(segmentation="fractional"),
    "all": Wanted(results=tuple(Kind)),
}
KINDS = ("CR", "DX", "DX for processing")
SYNTAXES = (*LOSSLESS_SYNTAXES, *LOSSY_SYNTAXES)
FINDINGS: dict[str, tuple[Laterality, ...]] = {
    "right lung": (Laterality.RIGHT,),
    "left lung": (Laterality.LEFT,),
    "both lungs": (Laterality.RIGHT, Laterality.LEFT),
    "nothing": (),
}


@dataclass(frozen=True)
class Cell:
    """One source of the matrix."""

    syntax: UID
    texts: str
    orientation: Orientation
    size: tuple[int, int]
    infected: str
    kind: str
    bits: int
    spacing: str
    photometric: str
    form: str

    @property
    def sides(self) -> tuple[Laterality, ...]:
        """The patient's lungs in which a spot is drawn."""
        return FINDINGS[self.infected]

    @property
    def keywords(self) -> dict[str, Any]:
        """The DICOM keywords of its patient and study."""
        meant = TEXTS[self.texts]
        return {
            "PatientName": meant.name,
            "PatientID": "MRN 0007-x",
            "AccessionNumber": "2024/000123",
            "StudyDescription": meant.study,
            "StudyID": "S 1",
        }

    def __str__(self) -> str:
        turned = self.orientation
        way = "t" * turned.transpose + "v" * turned.flip_rows + "h" * turned.flip_columns or "straight"
        size = "x".join(map(str, self.size))
        kind = f"{self.kind} {self.photometric} {self.syntax.name} {self.bits} bits {size} {way}"
        return f"{kind} spacing {self.spacing}, {self.texts}, {self.infected}, {self.form} forms"


@cache
def cells() -> list[Cell]:
    """Give the covering array; the same one in each run."""
    factors = [SYNTAXES, TEXTS, ORIENTATIONS, SIZES, FINDINGS, KINDS]
    factors += [(8, 12, 16), SPACINGS, ("MONOCHROME1", "MONOCHROME2"), FORMS]
    return [Cell(*row) for row in AllPairs([list(factor) for factor in factors], filter_func=_can_be)]


def _can_be(row: Sequence[Any]) -> bool:
    """Two codecs have one depth; a declaration is made wrong in a file whose bytes lie open."""
    syntax = row[0]
    if len(row) > 1 and TEXTS[row[1]].bytes_in == "latin-1" and syntax == uid.DeflatedExplicitVRLittleEndian:
        return False
    depth = {uid.JPEGBaseline8Bit: 8, uid.JPEGExtended12Bit: 12}.get(syntax)
    return len(row) <= 6 or depth in (None, row[6])


def picture(cell: Cell) -> NDArray[np.uint16]:
    """Draw the standard display of *cell*, 12 bits: a chest, brightest where it is infected."""
    chest = np.minimum(synthetic_chest(cell.size), _TISSUE)
    chest[infected(cell)] = _SPOT
    return chest


def infected(cell: Cell) -> NDArray[np.bool_]:
    """Give the truth: bool in the standard display."""
    height, width = cell.size
    y, x = np.mgrid[:height, :width]
    truth = np.zeros(cell.size, dtype=np.bool_)
    for side in cell.sides:
        down, across = _PLACES[side]
        truth |= ((y + 0.5) / height - down) ** 2 + ((x + 0.5) / width - across) ** 2 < 0.09**2
    return truth


def write_source(cell: Cell, path: Path) -> Path:
    """Write the source of *cell* as its hospital would."""
    shown, top = (
        picture(cell) if cell.photometric == "MONOCHROME2" else _SPOT - picture(cell),
        2**cell.bits - 1,
    )
    stored = (shown.astype(np.float64) / _SPOT * top).astype(np.uint8 if cell.bits == 8 else np.uint16)
    keywords = {"BitsStored": cell.bits, **cell.keywords, **SPACINGS[cell.spacing]}
    if cell.kind != "CR":  # bone has the low values in MONOCHROME1: the more beam, the higher
        keywords["PixelIntensityRelationshipSign"] = 1 if cell.photometric == "MONOCHROME1" else -1
    if cell.kind != "DX for processing":  # which has no window
        keywords |= {"WindowCenter": 2 ** (cell.bits - 1), "WindowWidth": 2**cell.bits}
    ds = stored_as(
        cell.orientation,
        stored,
        kind=cell.kind,
        PhotometricInterpretation=cell.photometric,
        **keywords,
    )
    texts = TEXTS[cell.texts]
    if texts.declared is not None:
        ds.SpecificCharacterSet = texts.declared
    if texts.bytes_in == "latin-1":  # written truly, then declared falsely
        ds.SpecificCharacterSet = "ISO_IR 100"
        write(ds, path, cell.syntax)
        path.write_bytes(path.read_bytes().replace(b"ISO_IR 100", str(texts.declared).encode(), 1))
        return path
    if texts.bytes_in:  # Latin-1 writes each character as the byte that it is
        for keyword in ("PatientName", "StudyDescription"):
            value = str(ds[keyword].value).encode(texts.bytes_in).decode("latin-1")
            setattr(ds, keyword, value)
    return write(ds, path, cell.syntax)


class Looking:
    """A stand-in for the network that finds what is bright in the standard display, and only that."""

    algorithm: Algorithm = ALGORITHM

    def __init__(self, *, blind: bool = False) -> None:
        self.blind = blind

    def __call__(self, model_input: ModelInput) -> Prediction:
        """Judge the picture by its greys; a *blind* one finds nothing."""
        pixels = model_input.pixels
        share = (pixels - pixels.min()) / np.ptp(pixels)
        mask = (share >= THRESHOLD) & (not self.blind)
        halves = {Laterality.RIGHT: mask[:, : INPUT_SIZE // 2], Laterality.LEFT: mask[:, INPUT_SIZE // 2 :]}
        zones = [zone.level.value == "middle" and bool(halves[zone.laterality].any()) for zone in ZONES]
        return Prediction(
            mask_probability=share.astype(np.float32),
            zone_probabilities=np.where(zones, 0.9, 0.1).astype(np.float32),
            mask=mask,
            zones=tuple(zones),
            threshold=THRESHOLD,
        )
