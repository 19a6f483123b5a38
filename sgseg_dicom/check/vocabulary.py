"""
The codes that results must use (PS3.16), written down a second time on purpose.

The encoders have their own list: a slip in one of the two shows as a refusal.
"""

from sgseg_dicom.check.attributes import Code
from sgseg_dicom.zones import Laterality, Level

SIDES: dict[Code, Laterality] = {  # CID 244
    ("24028007", "SCT"): Laterality.RIGHT,
    ("7771000", "SCT"): Laterality.LEFT,
}
LEVELS: dict[Code, Level] = {  # CID 6171
    ("281392002", "SCT"): Level.UPPER,
    ("281393007", "SCT"): Level.MIDDLE,
    ("281394001", "SCT"): Level.LOWER,
}
LUNG: Code = ("39607008", "SCT")
LUNGS: dict[Code, Laterality] = {("3341006", "SCT"): Laterality.RIGHT, ("44029006", "SCT"): Laterality.LEFT}
INFECTION: Code = ("128601007", "SCT")
ABNORMAL_STRUCTURE: Code = ("49755003", "SCT")

PRESENT: Code = ("52101004", "SCT")
ABSENT: Code = ("272519000", "SCT")
UNDETERMINED: Code = ("373068000", "SCT")
JUDGEMENTS = (PRESENT, ABSENT, UNDETERMINED)  # CID 240
NORMAL: Code = ("17621005", "SCT")

SUMMARY: Code = ("111017", "DCM")
WITHOUT_FINDINGS: Code = ("111241", "DCM")
WITH_FINDINGS: Code = ("111242", "DCM")
NONE_SUCCEEDED: Code = ("111245", "DCM")

PROCESSING_EQUIPMENT: Code = ("109102", "DCM")
ARTIFICIAL_INTELLIGENCE: Code = ("123110", "DCM")

NOT_JUDGED_STATUS: Code = ("111064", "DCM")  # Summary of Detections
FAILED: Code = ("111224", "DCM")  # CID 6042, as the next
NOT_ATTEMPTED: Code = ("111225", "DCM")
NOT_JUDGED_REASON: Code = ("why-not-judged", "99SGSEG")

TEXT_REPORT: Code = ("18748-4", "LN")  # CID 7000
SUMMARY_SECTION: Code = ("55112-7", "LN")  # CID 7001, as the next
FINDINGS_SECTION: Code = ("59776-5", "LN")
LANGUAGE: Code = ("121049", "DCM")
MEASUREMENT_REPORT: Code = ("126000", "DCM")
PROCEDURE_REPORTED: Code = ("121058", "DCM")
OBSERVER_TYPE: Code = ("121005", "DCM")
DEVICE: Code = ("121007", "DCM")
OBSERVER_UID: Code = ("121012", "DCM")
OBSERVER_MANUFACTURER: Code = ("121014", "DCM")
OBSERVER_MODEL: Code = ("121015", "DCM")

IMAGING_MEASUREMENTS: Code = ("126010", "DCM")
GROUP: Code = ("125007", "DCM")
EVALUATIONS: Code = ("C0034375", "UMLS")
TRACKING_ID: Code = ("112039", "DCM")
TRACKING_UID: Code = ("112040", "DCM")
FINDING: Code = ("121071", "DCM")
COMMENT: Code = ("121106", "DCM")
SITE: Code = ("363698007", "SCT")
LATERALITY: Code = ("272741003", "SCT")
ALGORITHM_NAME: Code = ("111001", "DCM")
ALGORITHM_VERSION: Code = ("111003", "DCM")
AREA: Code = ("42798000", "SCT")
METHOD: Code = ("370129005", "SCT")
DETECTOR_PLANE: Code = ("detector-plane", "99SGSEG")
SHARE_OF_LUNG: Code = ("share-of-lung", "99SGSEG")
SHARE_OF_BOTH: Code = ("share-of-both", "99SGSEG")
SEVERITY: Code = ("severity-score", "99SGSEG")
SCORE_UNIT: Code = ("{score}", "UCUM")
BILATERAL: Code = ("51440002", "SCT")  # CID 244
SHARE_BEFORE: Code = ("share-before", "99SGSEG")
SOURCE_OF_MEASUREMENT: Code = ("121112", "DCM")
DATE_BEFORE: Code = ("126201", "DCM")
DIFFERENCE: Code = ("111049", "DCM")
INCREASE: Code = ("15454001", "SCT")  # CID 6134, as the next two
DECREASE: Code = ("19776001", "SCT")
NO_CHANGE: Code = ("129723006", "SCT")
BY_PIXELS: Code = ("marked-pixels", "99SGSEG")
PERCENT: Code = ("%", "UCUM")
SQUARE_MILLIMETRE: Code = ("mm2", "UCUM")
IMAGE_REGION: Code = ("111030", "DCM")
SEGMENT: Code = ("121214", "DCM")
SEGMENT_SOURCE: Code = ("121233", "DCM")
