"""
The codes of the results (PS3.16), each with where it comes from.

`Code` is a tuple that cannot change. highdicom turns it into a data set of its own at each use: one data set
used for two segments, and then given a modifier, has stamped "Left" on the right lung.
"""

from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code as Code

from sgseg_dicom.records import Judgement
from sgseg_dicom.zones import Laterality, Level

INFECTION = Code("128601007", "SCT", "Infectious disease of lung")  # SNOMED CT; no context group has it
ABNORMAL_STRUCTURE: Code = codes.SCT.MorphologicallyAbnormalStructure  # CID 7150
LUNG: Code = codes.SCT.Lung
LUNG_OF: dict[
    Laterality, Code
] = {  # SNOMED CT; OHIF shows the meaning of a finding's site, and no modifier of it
    Laterality.RIGHT: Code("3341006", "SCT", "Right lung"),
    Laterality.LEFT: Code("44029006", "SCT", "Left lung"),
}
LATERALITY: dict[Laterality, Code] = {  # CID 244
    Laterality.RIGHT: codes.SCT.Right,
    Laterality.LEFT: codes.SCT.Left,
}
LEVEL: dict[Level, Code] = {  # CID 6171
    Level.UPPER: codes.SCT.UpperZoneOfLung,
    Level.MIDDLE: codes.SCT.MiddleZoneOfLung,
    Level.LOWER: codes.SCT.LowerZoneOfLung,
}
PRESENT: Code = codes.cid240.Present
ABSENT: Code = codes.cid240.Absent
UNDETERMINED: Code = codes.cid240.Undetermined
JUDGEMENT: dict[Judgement, Code] = {
    Judgement.PRESENT: PRESENT,
    Judgement.ABSENT: ABSENT,
    Judgement.UNDETERMINED: UNDETERMINED,
}

ALGORITHM_FAMILY: Code = codes.DCM.ArtificialIntelligence  # CID 7162
PROCEDURE_REPORTED = Code("43468-8", "LN", "XR unspecified body region")  # CID 100 knows no chest radiograph
SUMMARY: Code = codes.DCM.CADProcessingAndFindingsSummary
WITH_FINDINGS: Code = codes.cid6047.AllAlgorithmsSucceededWithFindings
WITHOUT_FINDINGS: Code = codes.cid6047.AllAlgorithmsSucceededWithoutFindings
STATUS: Code = codes.DCM.SummaryOfDetections
NOT_ATTEMPTED: Code = codes.cid6042.NotAttempted
FAILED: Code = codes.cid6042.Failed

REPORT = Code("18748-4", "LN", "Diagnostic Imaging Report")  # CID 7000
SECTION_SUMMARY = Code("55112-7", "LN", "Summary")  # CID 7001, as the next three
SECTION_FINDINGS = Code("59776-5", "LN", "Findings")
SECTION_PROCEDURE = Code("55111-9", "LN", "Current Procedure Descriptions")
SECTION_IMAGES = Code("55113-5", "LN", "Key Images")
PROCEDURE_DESCRIPTION: Code = codes.DCM.ProcedureDescription  # CID 7002
ILLUSTRATION: Code = codes.DCM.IllustrationOfROI  # CID 7003
LANGUAGE: Code = codes.DCM.LanguageOfContentItemAndDescendants  # TID 1204
FINDING: Code = codes.DCM.Finding
COMMENT: Code = codes.DCM.Comment
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")  # TID 1500
PROCESSED_IMAGE: Code = codes.DCM.SourceImageForImageProcessingOperation  # CID 7202
SOURCE = Code("260753009", "SCT", "Source")
AREA: Code = codes.SCT.Area
PERCENT: Code = codes.UCUM.Percent
SCORE_UNIT = Code("{score}", "UCUM", "score")
BILATERAL: Code = codes.cid244.Bilateral
DIFFERENCE: Code = codes.DCM.QualitativeDifference  # TID 4107, the chest CAD's word for a change in time
INCREASE: Code = codes.SCT.IncreaseInSize  # CID 6134, as the next two
DECREASE: Code = codes.SCT.DecreaseInSize
NO_CHANGE: Code = codes.SCT.NoSignificantChangesInTheFinding
DATE_BEFORE: Code = codes.DCM.AcquisitionDate
SQUARE_MILLIMETRE: Code = codes.UCUM.SquareMillimeter
MILLIMETRE: Code = codes.UCUM.Millimeter
PIXELS = Code("{pixels}", "UCUM", "Pixels")
MODALITY: dict[str, Code] = {  # CID 29, CID 32
    "CR": codes.cid29.ComputedRadiography,
    "DX": codes.cid29.DigitalRadiography,
    "OT": codes.cid32.Other,
}

PRIVATE_SCHEME = "99SGSEG"
AT_DETECTOR = Code("detector-plane", PRIVATE_SCHEME, "Measured in the detector plane")  # no standard code
SHARE_OF_LUNG = Code(
    "share-of-lung", PRIVATE_SCHEME, "Share of lung"
)  # likewise; OHIF shows it beside an outline
SHARE_OF_BOTH = Code("share-of-both", PRIVATE_SCHEME, "Share of both lungs' area in the image")  # likewise
SHARE_BEFORE = Code(
    "share-before", PRIVATE_SCHEME, "Share of the lung's area in the earlier image"
)  # likewise
SEVERITY = Code("severity-score", PRIVATE_SCHEME, "Severity score, 0 to 8")  # likewise
BY_PIXELS = Code(
    "marked-pixels",
    PRIVATE_SCHEME,
    "Marked pixels of the lung by all pixels of the lung found",
)
BY_WONG = Code(  # `sgseg_dicom.severity`
    "wong-2020", PRIVATE_SCHEME, "Extent of each lung, 0 to 4, added (Wong, Radiology 2020)"
)
WHY_NOT_JUDGED = Code("why-not-judged", PRIVATE_SCHEME, "Reason why the image was not judged")  # likewise


def lung_with_laterality(side: Laterality) -> CodedConcept:
    """Build an item of the Anatomic Region Sequence (0008,2218): the lung, modified by the patient's side."""
    lung = CodedConcept.from_code(LUNG)
    lung.AnatomicRegionModifierSequence = [CodedConcept.from_code(LATERALITY[side])]
    return lung
