"""The frozen records that travel: Radiograph -> ModelInput -> Prediction -> Finding -> Results."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import UID

from sgseg_dicom.comparison.compare import Comparison as Comparison
from sgseg_dicom.comparison.films import MeasuredFilm as MeasuredFilm
from sgseg_dicom.extent import Extent, extent_of
from sgseg_dicom.model_records import Algorithm as Algorithm
from sgseg_dicom.model_records import ModelInput as ModelInput
from sgseg_dicom.model_records import Prediction as Prediction
from sgseg_dicom.severity import lung_score
from sgseg_dicom.zone_judgement import Judgement as Judgement
from sgseg_dicom.zone_judgement import judged_by_share
from sgseg_dicom.zones import ZONES, Laterality, Zone, ZoneBits

_ACROSS, _DOWN = frozenset("LR"), frozenset("FH")
"""Directions across a patient seen from the front, and down."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Orientation:
    """
    How the stored pixel grid becomes the standard display: first transpose, then the flips.

    Standard display of a frontal chest radiograph: the patient's right at the left edge of the image,
    the head at the top, that is Patient Orientation (0020,0020) L\\F.
    """

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    def to_display(self, grid: NDArray[np.generic]) -> NDArray[np.generic]:
        """Turn a stored grid (rows, columns) into the standard display."""
        shown = grid.T if self.transpose else grid
        shown = shown[::-1] if self.flip_rows else shown
        return shown[:, ::-1] if self.flip_columns else shown

    def to_stored(self, shown: NDArray[np.generic]) -> NDArray[np.generic]:
        """Turn a displayed grid back into the stored one: the exact inverse of `to_display`."""
        grid = shown[:, ::-1] if self.flip_columns else shown
        grid = grid[::-1] if self.flip_rows else grid
        return grid.T if self.transpose else grid


@dataclass(frozen=True, kw_only=True, slots=True)
class StatedOrientation:
    """
    What Patient Orientation (0020,0020) says (PS3.3 C.7.6.1.1.1), else Image Orientation (Patient).

    Attributes:
        stated: whether there is a value, be it a right one or not.
        along_row, along_column: where in the patient growing column index leads, and growing row index. One letter
            each of L, R, A, P, H, F, the first one of an oblique direction; "" where none is stated.
        contradictory: whether the two attributes say different things.
        oblique: whether Image Orientation (Patient) turns the image far out of the plane of a frontal view.
    """

    stated: bool = False
    along_row: str = ""
    along_column: str = ""
    contradictory: bool = False
    oblique: bool = False

    @property
    def tells_sides(self) -> bool:
        """Whether it tells the patient's right from the left of a frontal image."""
        if self.along_row in _ACROSS and self.along_column in _DOWN | {""}:
            return True
        return self.along_row in _DOWN and self.along_column in _ACROSS


class Rescale(NamedTuple):
    """Rescale Slope (0028,1053) and Rescale Intercept (0028,1052); 1 and 0 where none are stated."""

    slope: float = 1.0
    intercept: float = 0.0


NO_RESCALE = Rescale()


class Window(NamedTuple):
    """A window and its VOI LUT Function (0028,1056)."""

    centre: float
    width: float
    function: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LookupTable:
    """
    A Modality LUT or VOI LUT (PS3.3 C.11.1, C.11.2).

    Attributes:
        entries: int64 (n,), read-only by agreement.
        first_mapped: the value that has the first entry, as have all values below it.
        white: the entry that is white.
        stated: the item of the sequence, as the image has it.
    """

    entries: NDArray[np.int64]
    first_mapped: int
    white: int
    stated: Dataset


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Shutter:
    """
    A Display Shutter (PS3.3 C.7.6.11) that hides a part of the image.

    Attributes:
        hidden: bool (Rows, Columns) of the STORED grid, True where the shutter hides the image.
        stated: Shutter Shape (0018,1600) and the numbers of the shapes, as the image has them.
    """

    hidden: NDArray[np.bool_]
    stated: Dataset


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DisplaySettings:
    """
    How stored values become what a viewer shows: decided once, in reading; every later stage takes it from here.

    Attributes:
        modality: the Modality LUT, or the rescale where no table can be used.
        voi: the first VOI LUT, else the first window; None where the image states none, or one under which hardly a
            pixel would be neither black nor white. The pixels then span the values that occur.
        inverted: whether the lowest value is white.
        shutter: what hides a part of the image; None where nothing does.
        orientation: what the image says of the patient's sides.
        sides_are_stated: whether it states an orientation, a view or a laterality at all. Where it states nothing,
            the standard display is a mere guess.
    """

    modality: LookupTable | Rescale = NO_RESCALE
    voi: LookupTable | Window | None = None
    inverted: bool = False
    shutter: Shutter | None = None
    orientation: StatedOrientation = StatedOrientation()
    sides_are_stated: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Radiograph:
    """
    One chest radiograph as a viewer would show it.

    Attributes:
        header: the source data set without Pixel Data, in explicit value representations; never changed.
        pixels: float32 (rows, columns) in the STANDARD DISPLAY, 0 = black to 1 = white, read-only. Modality
            and VOI LUTs applied, MONOCHROME1 inverted (PS3.3 C.7.6.3.1.2): bone is bright.
        padding: bool, like *pixels*, True around the image where Pixel Padding Value, the Display Shutter or an
            undeclared border of one value says "no image"; None where none does.
        orientation: how the stored grid became *pixels*.
        spacing_mm: (row, column) of the STORED grid, from Pixel Spacing (0028,0030) or else Imager Pixel
            Spacing (0018,1164); None where absent or not positive.
        spacing_at_detector: True where *spacing_mm* is a distance at the detector and not in the patient.
        pixel_aspect: height of a pixel of the STORED grid divided by its width, from its spacing or Pixel Aspect
            Ratio (0028,0034); 1 where neither says.
        display: how stored values became *pixels*.
    """

    header: Dataset
    pixels: NDArray[np.float32]
    padding: NDArray[np.bool_] | None
    orientation: Orientation
    spacing_mm: tuple[float, float] | None
    spacing_at_detector: bool
    display: DisplaySettings
    pixel_aspect: float = 1.0

    @property
    def sop_instance_uid(self) -> UID:
        """SOP Instance UID (0008,0018) of the source."""
        return UID(self.header.SOPInstanceUID)

    @property
    def extent(self) -> Extent:
        """Where the image lies in the standard display."""
        rows, columns = self.pixels.shape
        return extent_of(self.padding, (rows, columns))

    @property
    def stored_extent(self) -> Extent:
        """Where the image lies in the stored grid."""
        if self.padding is None:
            return extent_of(None, self.stored_shape)
        return extent_of(
            self.orientation.to_stored(self.padding).astype(np.bool_, copy=False), self.stored_shape
        )

    @property
    def stored_shape(self) -> tuple[int, int]:
        """(Rows, Columns) of the stored grid."""
        rows, columns = self.pixels.shape
        return (columns, rows) if self.orientation.transpose else (rows, columns)


class Source(Protocol):
    """What every result needs of its image, judged or not."""

    @property
    def header(self) -> Dataset:
        """The data set without Pixel Data, as of `Radiograph`."""
        ...

    @property
    def sop_instance_uid(self) -> UID:
        """SOP Instance UID (0008,0018)."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Unjudged:
    """
    An image that was not judged; its pixels may be undecodable.

    Attributes:
        header: as of `Radiograph`; it has the four UIDs by which an object refers to an image.
    """

    header: Dataset

    @property
    def sop_instance_uid(self) -> UID:
        """SOP Instance UID (0008,0018) of the image."""
        return UID(self.header.SOPInstanceUID)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LungRegion:
    """
    The infected region of one lung of the patient.

    Attributes:
        laterality: the PATIENT's side.
        mask: bool (Rows, Columns) on the STORED grid of the source; at least one pixel is True.
        area_share: infected share of all pixels of the image, padding around it left out, 0 to 1.
        area_mm2: area in square millimetres, at the detector where the radiograph's spacing is;
            None where the spacing is unknown.
    """

    laterality: Laterality
    mask: NDArray[np.bool_]
    area_share: float
    area_mm2: float | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Finding:
    """
    What is reported of one radiograph.

    Attributes:
        regions: none, one or two, the patient's right lung first.
        zones: as judged, in the order of `sgseg_dicom.zones.ZONES`.
        zone_probabilities: float32 (6,), calibrated.
        sentence: the generated location report, ASCII, in patient laterality.
        reached: the zones that the regions reach, as far as heights show it (`sgseg_dicom.findings.zone_extent`).
            They are asked where there are no *zone_shares*.
        lung_centres: columns of the centres of the right and the left lung in the standard display, in parts of the
            image's width; None where not both lungs were found: the image's middle decides the sides then.
        lung_shares: marked share of each lung, 0 to 1; a lung that was not found is missing.
        share_of_both: marked share of both lungs' area; None where not both were found.
        zone_shares: marked share of each zone's area, in the order of `sgseg_dicom.zones.ZONES`; None likewise.
        dropped_share: share of the image, 0 to 1, that was marked outside both lungs and is in no region.
        comparison: with earlier films of the same patient; None: there is nothing to say of them.
    """

    regions: tuple[LungRegion, ...]
    zones: ZoneBits
    zone_probabilities: NDArray[np.float32]
    sentence: str
    reached: ZoneBits
    lung_centres: tuple[float, float] | None = None
    lung_shares: Mapping[Laterality, float] = field(default_factory=dict)
    share_of_both: float | None = None
    zone_shares: tuple[float, ...] | None = None
    dropped_share: float = 0.0
    comparison: Comparison | None = None

    @property
    def is_positive(self) -> bool:
        """Whether anything is reported as infected, by a zone or by a region."""
        return any(self.zones) or bool(self.regions)

    @property
    def severity(self) -> tuple[int, int] | None:
        """
        The scores of the right and the left lung, 0 to 4 each (`sgseg_dicom.severity`).

        None where a lung was not found. None too where sentence and mask disagree about a lung: a lung that is
        named and not marked would score 0.
        """
        if len(self.lung_shares) < len(Laterality) or any(map(self.disagrees_on, Laterality)):
            return None
        return lung_score(self.lung_shares[Laterality.RIGHT]), lung_score(self.lung_shares[Laterality.LEFT])

    @property
    def comparable_shares(self) -> Mapping[Laterality, float]:
        """The shares of the lungs about which sentence and mask agree: others are compared with no other film's."""
        return {side: share for side, share in self.lung_shares.items() if not self.disagrees_on(side)}

    def judgement_of(self, zone: Zone) -> Judgement:
        """
        Say what is reported of a zone: undetermined where zones and mask say different things.

        Of the whole lung, where it has a region and no named zone, or the reverse (1619 of 1622 named lungs of
        QaTa-COV19's train images have a region). Of a single zone by the share of it that is marked
        (`sgseg_dicom.zone_judgement`). Where the lungs were not found, a named zone stays, because the height of a
        region does not tell that it is NOT in a zone; and a zone that is not named is undetermined where the region
        reaches rows that are its own: on valid, the captions name half of these (training/LOG.md).
        """
        place = ZONES.index(zone)
        if self.disagrees_on(zone.laterality):
            return Judgement.UNDETERMINED
        if self.zone_shares is not None:
            return judged_by_share(
                named=self.zones[place],
                probability=float(self.zone_probabilities[place]),
                share=self.zone_shares[place],
            )
        if self.zones[place]:
            return Judgement.PRESENT
        return Judgement.UNDETERMINED if self.reached[place] else Judgement.ABSENT

    def exceeds_sentence(self, side: Laterality) -> bool:
        """Whether the region of a lung reaches a zone that the sentence, which names others there, leaves out."""
        return self._doubts_a_zone(side, named=False)

    def lags_behind_sentence(self, side: Laterality) -> bool:
        """Whether hardly anything is marked in a zone that the sentence names, while its lung has a region."""
        return self._doubts_a_zone(side, named=True)

    def disagrees_on(self, side: Laterality) -> bool:
        """Whether zones and mask say different things of a lung: a region without a zone, or the reverse."""
        named = any(
            present for zone, present in zip(ZONES, self.zones, strict=True) if zone.laterality is side
        )
        return named != any(region.laterality is side for region in self.regions)

    def _doubts_a_zone(self, side: Laterality, *, named: bool) -> bool:
        return not self.disagrees_on(side) and any(
            self.judgement_of(zone) is Judgement.UNDETERMINED
            for zone, present in zip(ZONES, self.zones, strict=True)
            if zone.laterality is side and present is named
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WrittenObject:
    """
    One result as it is kept and sent, written once.

    Attributes:
        content: all bytes of the file (PS3.10).
        dataset: what a reader of *content* finds in it; it is never changed.
    """

    content: bytes
    dataset: Dataset


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Results:
    """
    The DICOM objects of one radiograph, written and checked.

    Attributes:
        source_uid: SOP Instance UID (0008,0018) of the radiograph.
        files: the objects, each form once, by a file-like name ("seg.dcm", "sr-comprehensive.dcm").
        names: by the name of each destination, the names of the files that it gets, the SEG before what references
            it.
        finding: what all of them say.
        caution: what they say before it, in the readers' language.
        measured: what is kept for the films that come after; None: it cannot be compared.
    """

    source_uid: UID
    files: Mapping[str, WrittenObject]
    names: Mapping[str, tuple[str, ...]]
    finding: Finding
    caution: tuple[str, ...] = ()
    measured: MeasuredFilm | None = None

    @property
    def objects(self) -> tuple[Dataset, ...]:
        """The data sets in the order in which they were made, a SEG before what references it."""
        return tuple(one.dataset for one in self.files.values())

    @property
    def seg(self) -> Dataset | None:
        """The first Segmentation; None where no region was found, or none is wanted."""
        return next((ds for ds in self.objects if ds.Modality == "SEG"), None)
