"""
The rules that every result must keep, in one table: what each demands, and where that is written.

"AIR" is the IHE Radiology supplement AI Results, Rev. 1.3, as this project knows it. A rule without a standard
behind it is our own promise: it names the harm.
"""

from dataclasses import dataclass
from enum import Enum


class Rule(Enum):
    """One rule; the value is (what it demands, source)."""

    # every object
    KNOWN_FORM = ("must be of a SOP class that results have", "records.Results; AIR")
    TYPE_1 = ("must be there and have a value (Type 1)", "PS3.3 annex A, C.12.1, C.17.1, C.17.2, C.8.20.2")
    TYPE_2 = ("must be there, empty where unknown (Type 2)", "PS3.3 C.7.1.1, C.7.2.1")
    SAME_STUDY = ("must be the source's Study Instance UID", "PS3.3 C.7.2.1; AIR: results join the study")
    SAME_PATIENT = (
        "must be as in the source image",
        "PS3.3 C.7.1.1, C.7.2.1; else: another patient's result",
    )
    OWN_SERIES = (
        "must be a series of its own, of one modality, not the source's",
        "PS3.3 C.7.3.1, A.35, A.51",
    )
    OWN_INSTANCE = ("must be no other object's UID, nor the source's", "PS3.5 9, PS3.3 C.12.1")
    DERIVED_UID = ("must be 2.25. and a number without leading zero, at most 64 characters", "PS3.5 9.1, B.2")
    CHARACTER_SET = ("must be ISO_IR 192, whatever the source's", "PS3.3 C.12.1.1.2; node-pitfalls 8, 9")
    EQUIPMENT = (
        "must have a Processing Equipment item (109102, DCM) of this manufacturer",
        "AIR; PS3.3 C.12.1",
    )
    EQUIPMENT_COMPLETE = ("must be given in the Processing Equipment item", "AIR, algorithm provenance")
    EQUIPMENT_AGREES = ("must be what the Processing Equipment item says", "AIR; PS3.3 C.7.5.1")
    ONE_ALGORITHM = ("must be the same Processing Equipment in every object of an image", "AIR")
    DRAFT = ("must say DRAFT", "issue 3: a draft must look like one in every list")
    SOURCE_REFERENCED = ("must reference the source image", "AIR; PS3.3 C.7.6.16.2.6, C.11.11, C.17.2")
    SIDE_WORD = ("must not name the other side", "viewers.md: 'Left' stamped on the right lung")

    # every structured report
    SR_STATE = ("must say PARTIAL, UNVERIFIED, PRELIMINARY", "AIR draft state; PS3.3 C.17.2")
    SR_ROOT = ("must be a CONTAINER with a known title and template", "PS3.16 TID 1500, TID 2000; AIR")
    SR_PROCEDURE = ("must name the procedure reported (121058, DCM)", "AIR; PS3.16 TID 1500")
    SR_OBSERVER = ("must be a device, and what the Processing Equipment says", "AIR; PS3.16 TID 1004")
    SR_SEGMENTATION = ("must be among the objects", "AIR: what is referenced is there to be read")
    SR_EVIDENCE = ("must be in Current Requested Procedure Evidence, in its study", "PS3.3 C.17.2")
    SR_ALGORITHM_TOLD = ("must tell the reader the algorithm's name and version", "issue 3: draft and whose")

    # measurement groups
    GROUP_THERE = ("must have a measurement group, about regions or the whole image", "AIR; PS3.16 TID 1500")
    GROUP_TEMPLATE = ("must be TID 1410 for a region, TID 1501 for the whole image", "AIR; PS3.16 TID 1500")
    GROUP_TRACKING = ("must have a Tracking Identifier and a Tracking UID", "AIR; PS3.16 TID 1410, TID 1501")
    GROUP_FINDING = ("must say infectious disease of lung as its finding", "PS3.16 TID 1410")
    GROUP_SITE = ("must have the lung as finding site, with right or left", "PS3.16 TID 1410, CID 244")
    GROUP_ALGORITHM = ("must be what the Processing Equipment says", "AIR; PS3.16 TID 4019")
    AREA_UNIT = ("must be positive square millimetres", "PS3.16 TID 1410; UCUM")
    AREA_SPACING = ("must not be given without a pixel spacing", "viewers.md; node-pitfalls 11")
    AREA_PLANE = (
        "must say that it is measured in the detector plane",
        "node-pitfalls 11: not the patient's mm",
    )
    OUTLINE_SHAPE = ("must be a closed POLYLINE within the image", "PS3.3 C.18.6.1.2")
    OUTLINE_SOURCE = ("must be SELECTED FROM the source image", "PS3.3 C.18.6; PS3.16 TID 1410")
    OUTLINE_SIDE = ("must reach into the half of the image where this lung lies", "PS3.3 C.7.6.1.1.1")
    OUTLINE_ON_MASK = ("must run along this side's segment", "issue 3: report and mask are one finding")
    SEGMENT_EXISTS = ("must reference a segment of a Segmentation among the objects", "AIR; PS3.16 TID 1410")
    SEGMENT_FRAME = ("must have no Referenced Frame Number beside the segment number", "PS3.3 Table 10-3")
    SEGMENT_SOURCE = ("must have the source image for segmentation (121233, DCM)", "AIR; PS3.16 TID 1410")
    SEGMENT_TRACKING = ("must have the Tracking UID of the segment", "AIR; PS3.3 C.8.20.4")
    SEGMENT_SIDE = ("must be the side of the segment", "viewers.md: the wrong side, silently")
    SEGMENT_REPORTED = ("must be reported by a group, as an outlined region too", "AIR; viewers.md on OHIF")

    # statements about the image
    SUMMARY = ("must be 111242 with findings, 111241 without, once", "PS3.16 CID 6047")
    SIX_ZONES = ("must be each of the six zones once", "PS3.16 CID 6171, CID 244; issue 3")
    ZONE_JUDGED = ("must be Present, Absent or Undetermined", "PS3.16 CID 240")
    ZONES_AND_MASK = (
        "must be marked where a zone is Present, and not where all are Absent",
        "issue 3: text and mask agree, or Undetermined",
    )
    UNDETERMINED_LUNG = (
        "must be Undetermined as a whole where, and only where, sentence and mask disagree",
        "issue 3: text and mask agree, or Undetermined",
    )
    UNDETERMINED_ZONE = (
        "must be Present where the sentence names it and its lung is marked",
        "issue 3: text and mask agree, or Undetermined",
    )
    WHOLE_IMAGE_JUDGED = (
        "must be Absent where nothing was found, else Undetermined",
        "PS3.16 TID 1501, CID 240",
    )
    SENTENCE = ("must hold the location sentence in its canonical wording, once", "zones.py: the grammar")
    SENTENCE_AND_ZONES = ("must name the zones that are Present, no others", "issue 3: text and mask agree")

    # reports in words
    TEXT_FINDINGS = (
        "must have the sentence and a line for each of the six zones",
        "issue 3; PS3.16 TID 2000",
    )
    TEXT_ZONES = ("must say of each zone what sentence and mask say", "issue 3: text and mask agree")
    TEXT_SENTENCE = ("must be the sentence of the coded report in that language", "issue 3: one finding")

    # answers for images that were not judged
    ANSWER_CODED = ("must be one status (111224 or 111225) with one coded reason", "PS3.16 CID 6042; issue 3")
    ANSWER_SILENT = (
        "must say nothing of findings, absence or normality",
        "results-dicom.md: not judged, not normal",
    )

    # pictures and presentation states
    PICTURE_ANNOTATED = ("must be YES: sentence and warning are burned in", "PS3.3 C.7.6.1; issue 3")

    # segmentations
    SEGMENTS = ("must be one or two segments, numbered from 1, one a side", "PS3.3 C.8.20.2; issue 3")
    SEGMENT_CODES = ("must be a known property category and type", "PS3.3 C.8.20.4; CID 7150")
    SEGMENT_REGION = ("must be the lung, modified by right or left alone", "PS3.3 C.8.20.4; viewers.md")
    SEGMENT_ALGORITHM = ("must be what the Processing Equipment says", "AIR; PS3.3 Table 10-19")
    SEGMENT_TRACKED = ("must have a Tracking ID and a Tracking UID of its own", "AIR; PS3.3 C.8.20.4")
    SEGMENT_COLOUR = ("must recommend a display colour", "PS3.3 C.8.20.4; viewers.md on OHIF")
    SEGMENT_TOLD = ("must tell the algorithm, its version, and the draft state", "issue 3")
    SEG_SIZE = ("must be the source's Rows and Columns", "PS3.3 A.51.3: pixel for pixel")
    SEG_GEOMETRY = (
        "must have a frame of reference of its own, and the plane in it",
        "viewers.md; PS3.3 C.7.4.1",
    )
    SEG_FRAMES = ("must be one frame a segment, each naming its segment", "PS3.3 C.8.20.3, C.7.6.16")
    SEG_BITS = ("must be as long as bits, frames, Rows and Columns say", "PS3.3 C.8.20.2; PS3.5 8.1.1, 8.2")
    SEG_FRACTIONS = ("must be 0 or 255 alone", "viewers.md: probabilities are not shown")
    MASK_EMPTY = ("must mark at least one pixel", "issue 3: no empty SEG")
    MASK_SIDE = ("must lie in the half of the image where this lung lies", "PS3.3 C.7.6.1.1.1")
    MASK_OVERLAP = ("must not overlap another segment", "PS3.3 C.8.20.2, Segments Overlap NO")

    @property
    def word(self) -> str:
        """The rule's name for logs and files, for example "mask-side"."""
        return self.name.lower().replace("_", "-")

    @property
    def demand(self) -> str:
        """What the rule demands, a clause whose subject is a path."""
        return self.value[0]

    @property
    def source(self) -> str:
        """Where the rule is written."""
        return self.value[1]


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
