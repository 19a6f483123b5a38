"""
The rules that every result must keep, in one table: what each demands, and where that is written.

A source is a clause of the DICOM standard (PS3), the profile IHE AIR (the IHE Radiology supplement AI Results,
Rev. 1.3, as this project knows it), UCUM, or an entry of DECISIONS.md. A rule without such a source is our own
promise: it names the harm that it prevents.
"""

from dataclasses import dataclass
from enum import Enum, unique

_DISAGREE = (
    "DECISIONS.md 2026-11-24 Where sentence and mask disagree about a lung, its zones are Undetermined"
)


@unique
class Rule(Enum):
    """One rule; the value is (what it demands, source, further sources)."""

    # every object
    KNOWN_FORM = ("must be of a SOP class that results have", "IHE AIR")
    TYPE_1 = ("must be there and have a value (Type 1)", "PS3.3 annex A, C.12.1, C.17.1, C.17.2, C.8.20.2")
    TYPE_2 = ("must be there, empty where unknown (Type 2)", "PS3.3 C.7.1.1, C.7.2.1")
    SAME_STUDY = (
        "must be the source's Study Instance UID",
        "PS3.3 C.7.2.1",
        "IHE AIR: results join the study",
    )
    SAME_PATIENT = (
        "must be as in the source image",
        "PS3.3 C.7.1.1, C.7.2.1",
        "harm: the result of another patient",
    )
    OWN_SERIES = (
        "must be a series of its own, of one modality, not the source's",
        "PS3.3 C.7.3.1, A.35, A.51",
    )
    OWN_INSTANCE = ("must be no other object's UID, nor the source's", "PS3.5 9", "PS3.3 C.12.1")
    DERIVED_UID = ("must be 2.25. and a number without leading zero, at most 64 characters", "PS3.5 9.1, B.2")
    CHARACTER_SET = (
        "must be ISO_IR 192, whatever the source's",
        "PS3.3 C.12.1.1.2",
        "harm: letters of a name become question marks",
    )
    EQUIPMENT = (
        "must have a Processing Equipment item (109102, DCM) of this manufacturer",
        "IHE AIR",
        "PS3.3 C.12.1",
    )
    EQUIPMENT_COMPLETE = ("must be given in the Processing Equipment item", "IHE AIR: algorithm provenance")
    EQUIPMENT_AGREES = ("must be what the Processing Equipment item says", "IHE AIR", "PS3.3 C.7.5.1")
    ONE_ALGORITHM = ("must be the same Processing Equipment in every object of an image", "IHE AIR")
    DRAFT = ("must say DRAFT", "harm: a list of series shows a draft as if it were final")
    SOURCE_REFERENCED = (
        "must reference the source image",
        "IHE AIR",
        "PS3.3 C.7.6.16.2.6, C.11.11, C.17.2",
    )
    SIDE_WORD = ("must not name the other side", "harm: the word Left beside a finding of the right lung")

    # every structured report
    SR_STATE = ("must say PARTIAL, UNVERIFIED, PRELIMINARY", "IHE AIR: draft state", "PS3.3 C.17.2")
    SR_ROOT = ("must be a CONTAINER with a known title and template", "PS3.16 TID 1500, TID 2000", "IHE AIR")
    SR_PROCEDURE = ("must name the procedure reported (121058, DCM)", "IHE AIR", "PS3.16 TID 1500")
    SR_OBSERVER = ("must be a device, and what the Processing Equipment says", "IHE AIR", "PS3.16 TID 1004")
    SR_SEGMENTATION = ("must be among the objects", "IHE AIR: what is referenced is there to be read")
    SR_EVIDENCE = ("must be in Current Requested Procedure Evidence, in its study", "PS3.3 C.17.2")
    SR_ALGORITHM_TOLD = (
        "must tell the reader the algorithm's name and version",
        "harm: nobody sees that software wrote the draft, or which",
    )

    # measurement groups
    GROUP_THERE = (
        "must have a measurement group, about regions or the whole image",
        "IHE AIR",
        "PS3.16 TID 1500",
    )
    GROUP_TEMPLATE = (
        "must be TID 1410 for a region, TID 1501 for the whole image",
        "IHE AIR",
        "PS3.16 TID 1500",
    )
    GROUP_TRACKING = (
        "must have a Tracking Identifier and a Tracking UID",
        "IHE AIR",
        "PS3.16 TID 1410, TID 1501",
    )
    GROUP_FINDING = ("must say infectious disease of lung as its finding", "PS3.16 TID 1410")
    GROUP_SITE = ("must have the lung as finding site, with right or left", "PS3.16 TID 1410, CID 244")
    GROUP_ALGORITHM = ("must be what the Processing Equipment says", "IHE AIR", "PS3.16 TID 4019")
    AREA_UNIT = ("must be positive square millimetres", "PS3.16 TID 1410", "UCUM")
    AREA_SPACING = (
        "must not be given without a pixel spacing",
        "PS3.3 10.7.1.3",
        "harm: an area in square millimetres that nobody measured",
    )
    AREA_PLANE = (
        "must say that it is measured in the detector plane",
        "PS3.3 10.7.1.1",
        "harm: millimetres at the detector read as millimetres in the patient",
    )
    SHARE_OF_LUNG = (
        "must be a percentage above 0 and at most 100, with its method, once a lung",
        "PS3.16 TID 1410",
        "UCUM",
    )
    SHARE_TOLD = (
        "must be the share of the lung, or of both, that the coded report measures",
        "harm: words and measurement of one report contradict each other",
    )
    SHARE_OF_BOTH = (
        "must be a percentage between those of the two lungs, of both of them, once",
        "PS3.16 TID 300",
        "UCUM",
    )
    SEVERITY_SCORE = (
        "must be the sum of both lungs' scores, by the shares that are coded, once",
        "DECISIONS.md 2026-11-30 The lungs decide sides, zones and shares",
    )
    SEVERITY_TOLD = (
        "must be the sum of both lungs' scores, 0 to 4 each, by the shares that are told",
        "DECISIONS.md 2026-11-30 The lungs decide sides, zones and shares",
    )
    OUTLINE_SHAPE = ("must be a closed POLYLINE within the image", "PS3.3 C.18.6.1.2")
    OUTLINE_SOURCE = ("must be SELECTED FROM the source image", "PS3.3 C.18.6", "PS3.16 TID 1410")
    OUTLINE_SIDE = ("must reach into the side of the image where this lung lies", "PS3.3 C.7.6.1.1.1")
    OUTLINE_ON_MASK = (
        "must run along this side's segment",
        "harm: report and mask show two different findings",
    )
    SEGMENT_EXISTS = (
        "must reference a segment of a Segmentation among the objects",
        "IHE AIR",
        "PS3.16 TID 1410",
    )
    SEGMENT_FRAME = ("must have no Referenced Frame Number beside the segment number", "PS3.3 Table 10-3")
    SEGMENT_SOURCE = (
        "must have the source image for segmentation (121233, DCM)",
        "IHE AIR",
        "PS3.16 TID 1410",
    )
    SEGMENT_TRACKING = ("must have the Tracking UID of the segment", "IHE AIR", "PS3.3 C.8.20.4")
    SEGMENT_SIDE = (
        "must be the side of the segment",
        "harm: a finding on the wrong side, which no viewer notices",
    )
    SEGMENT_REPORTED = (
        "must be reported by a group, as an outlined region too",
        "IHE AIR",
        "harm: a viewer that draws outlines alone hides the finding",
    )

    # an earlier film of the patient
    COMPARISON_CODED = (
        "must be a percentage of one lung with date, image and change, once a lung",
        "PS3.16 TID 300, CID 6134",
        "harm: nobody can look at what is compared",
    )
    COMPARISON_CHANGE = (
        "must be an increase where the number is larger, a decrease where it is smaller",
        "PS3.16 CID 6134",
        "harm: a lung that got worse reads as one that got better",
    )
    COMPARISON_EVIDENCE = (
        "must have the earlier image in Pertinent Other Evidence, in another study",
        "PS3.3 C.17.2",
        "harm: two films of one examination are no course of a disease",
    )
    COMPARISON_TOLD = (
        "must say the date, numbers and change that are coded, and a change above the limit alone",
        "DECISIONS.md 2026-11-30 Films are compared where the patient is surely the same",
        "harm: words and measurement of one report contradict each other",
    )

    # statements about the image
    SUMMARY = ("must be 111242 with findings, 111241 without, once", "PS3.16 CID 6047")
    SIX_ZONES = (
        "must be each of the six zones once",
        "PS3.16 CID 6171, CID 244",
        "harm: a zone that is left out reads as free",
    )
    ZONE_JUDGED = ("must be Present, Absent or Undetermined", "PS3.16 CID 240")
    ZONES_AND_MASK = ("must be marked where a zone is Present, and not where all are Absent", _DISAGREE)
    UNDETERMINED_LUNG = (
        "must be Undetermined as a whole where sentence and mask disagree, and only there where no share of it "
        "is measured",
        _DISAGREE,
    )
    UNDETERMINED_ZONE = (
        "must be Present where the sentence names it, its lung is marked, and no share of the lung is measured",
        "DECISIONS.md 2026-11-26 A zone that the marked region nearly surely reaches is not called free",
        "DECISIONS.md 2026-11-30 The lungs decide sides, zones and shares",
    )
    WHOLE_IMAGE_JUDGED = (
        "must be Absent where nothing was found, else Undetermined",
        "PS3.16 TID 1501, CID 240",
    )
    SENTENCE = (
        "must hold the location sentence in its canonical wording, once",
        "DECISIONS.md 2026-11-24 A language is a file of whole phrases; the canonical sentence stays English",
    )
    SENTENCE_AND_ZONES = (
        "must name the zones that are Present, no others",
        "harm: sentence and zones of one report contradict each other",
    )

    # reports in words
    TEXT_FINDINGS = (
        "must have the sentence and a line for each of the six zones",
        "PS3.16 TID 2000",
        "harm: a zone without a line reads as free",
    )
    TEXT_ZONES = (
        "must say of each zone what sentence and mask say",
        "DECISIONS.md 2026-11-24 The report in words is held against mask and sentence, in English only",
    )
    TEXT_SENTENCE = (
        "must be the sentence of the coded report in that language",
        "harm: two reports of one image contradict each other",
    )

    # answers for images that were not judged
    ANSWER_CODED = (
        "must be one status (111224 or 111225) with one coded reason",
        "PS3.16 CID 6042",
        "DECISIONS.md 2026-11-24 An image that was not judged is answered by a Basic Text SR with codes",
    )
    ANSWER_SILENT = (
        "must say nothing of findings, absence or normality",
        "harm: an image that was not judged reads as normal",
    )

    # pictures and presentation states
    PICTURE_ANNOTATED = ("must be YES: sentence and warning are burned in", "PS3.3 C.7.6.1")

    # segmentations
    SEGMENTS = (
        "must be one or two segments, numbered from 1, one a side",
        "PS3.3 C.8.20.2",
        "harm: two segments of one lung contradict each other",
    )
    SEGMENT_CODES = ("must be a known property category and type", "PS3.3 C.8.20.4", "PS3.16 CID 7150")
    SEGMENT_REGION = (
        "must be the lung, modified by right or left alone",
        "PS3.3 C.8.20.4",
        "harm: a finding on the wrong side, which no viewer notices",
    )
    SEGMENT_ALGORITHM = ("must be what the Processing Equipment says", "IHE AIR", "PS3.3 Table 10-19")
    SEGMENT_TRACKED = ("must have a Tracking ID and a Tracking UID of its own", "IHE AIR", "PS3.3 C.8.20.4")
    SEGMENT_COLOUR = (
        "must recommend a display colour",
        "PS3.3 C.8.20.2",
        "harm: each viewer chooses a colour of its own",
    )
    SEGMENT_TOLD = (
        "must tell the algorithm, its version, and the draft state",
        "harm: nobody sees that software made the draft, or which",
    )
    SEG_SIZE = ("must be the source's Rows and Columns", "PS3.3 A.51.3: pixel for pixel")
    SEG_GEOMETRY = (
        "must have a frame of reference of its own, and the plane in it",
        "PS3.3 A.51.3, C.7.4.1",
        "harm: a viewer shows no mask, or the whole study black",
    )
    SEG_FRAMES = ("must be one frame a segment, each naming its segment", "PS3.3 C.8.20.3, C.7.6.16")
    SEG_BITS = (
        "must be as long as bits, frames, Rows and Columns say",
        "PS3.3 C.8.20.2",
        "PS3.5 8.1.1, 8.2",
    )
    SEG_FRACTIONS = ("must be 0 or 255 alone", "harm: viewers do not show a mask of probabilities")
    SEG_LABELS = ("must be 0 or the number of a segment", "PS3.3 C.8.20.2: LABELMAP")
    MASK_EMPTY = ("must mark at least one pixel", "harm: a segment announces a finding that is nowhere")
    MASK_SIDE = ("must lie on the side of the image where this lung lies", "PS3.3 C.7.6.1.1.1")
    MASK_OVERLAP = ("must not overlap another segment", "PS3.3 C.8.20.2: Segments Overlap is NO")

    @property
    def word(self) -> str:
        """The rule's name for logs and files, for example "mask-side"."""
        return self.name.lower().replace("_", "-")

    @property
    def demand(self) -> str:
        """What the rule demands, a clause whose subject is a path."""
        demand: str = self.value[0]
        return demand

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the rule is written, or which harm it prevents."""
        sources: tuple[str, ...] = self.value[1:]
        return sources

    @property
    def source(self) -> str:
        """All sources in one line."""
        return "; ".join(self.sources)


@dataclass(frozen=True, slots=True)
class Violation:
    """
    One rule that one object breaks. Holds names and places, never a value: no patient data.

    Attributes:
        object: the object's name among those that were checked.
        path: keyword or content items' codes, outermost first, for example "126010/125007[2]/121214".
        rule: which one.
    """

    object: str
    path: str
    rule: Rule

    def __str__(self) -> str:
        return f"{self.object}: {self.path} {self.rule.demand} [{self.rule.word}; {self.rule.source}]"


Broken = tuple[Rule, str]
"""A rule and the path where it is broken."""
