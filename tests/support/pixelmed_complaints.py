"""What PixelMed's SR validator (Debian's, of 2022) says of our reports, and why it stays: each is explained."""

from typing import NamedTuple


class Complaint(NamedTuple):
    """
    A kind of complaint.

    Attributes:
        pattern: a regular expression that finds it.
        text: what it is about, for readers of docs/CONFORMANCE.md.
        why: why our reports are right all the same.
    """

    pattern: str
    text: str
    why: str


EXPLAINED = (
    Complaint(
        r"Error: .*Code \(43468-8,LN,.*not found in context group 100",
        "43468-8 (LN) is not found in context group 100 (the only Error)",
        "CID 100 has had the LOINC codes since its move to the LOINC/RSNA Radiology Playbook; the validator's copy "
        "of the context group is older.",
    ),
    Complaint(
        r"Code \(121233,DCM,.*has different code meaning",
        '121233 (DCM) has another code meaning, "Source Image for Segmentation"',
        "The meaning differs in upper and lower case only; PS3.16 annex D writes it as we do. A code meaning is no "
        "part of what identifies a concept (PS3.3 8.3).",
    ),
    Complaint(
        r"CODE \(276214006,SCT,\"Finding category\"\): Content Item not in template",
        "Finding category is not in the template",
        "A row of TID 1410 in today's PS3.16; the validator's copy is older.",
    ),
    Complaint(
        r"\((111001|111003|122405|111000),DCM,\"Algorithm \w+\"\): Content Item not in template",
        "Algorithm Name, Version, Manufacturer and Family are not in the template",
        "TID 4019, which TID 1410 and TID 1501 include for the group's algorithm in today's PS3.16. IHE AIR "
        "wants every algorithm named.",
    ),
    Complaint(
        r"Measurement Group\"\)/CODE \(128601007,SCT,.*Content Item not in template",
        "Infectious disease of lung is not in the template of a group about the whole image",
        "A qualitative evaluation: TID 1501 lets its concept be any code, which the validator cannot match.",
    ),
    Complaint(
        r"Measurement Group\"\)/CODE \(111049,DCM,.*Content Item not in template",
        "Qualitative Difference, with Finding Site and Laterality, is not in the template of a group",
        "A qualitative evaluation: TID 1410 and TID 1501 let its concept be any code, which the validator cannot "
        "match; the change of an earlier image's lung says which lung.",
    ),
    Complaint(
        r"NUM \(share-before,99SGSEG,.*/IMAGE \(121112,DCM,\"Source of Measurement\"\): Content Item not in template",
        "Source of Measurement is not in the template of a measurement",
        "TID 320, which TID 300 includes: the image on which it was measured.",
    ),
    Complaint(
        r"NUM \(share-before,99SGSEG,.*/DATE \(126201,DCM,\"Acquisition Date\"\): Content Item not in template",
        "Acquisition Date is not in the template of a measurement",
        "TID 300 is extensible (PS3.16 annex A); a measurement of an earlier image says when that was taken.",
    ),
    Complaint(
        r"Qualitative Evaluations\"\)/CODE \(128601007,SCT,.*Finding Site\"\).*: Content Item not in template",
        "Finding Site and Laterality under a qualitative evaluation are not in the template",
        "TID 1500 is extensible (PS3.16 annex A); an evaluation of a zone says which one.",
    ),
    Complaint(
        r"\(18748-4,LN,\"Diagnostic Imaging Report\"\)/CONTAINER \((55112-7|59776-5|55111-9|55113-5),LN,"
        r".*Content Item not in template",
        "The sections of the Basic Text SR and what they hold are not in the template",
        "TID 2000 takes its section headings from CID 7001, which has these LOINC codes today; the validator's copy "
        "of the context group is older, so that it finds neither the headings nor what lies under them.",
    ),
)
