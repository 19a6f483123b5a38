"""A content tree -> a structured report around it, without highdicom's walks over the tree."""

from collections.abc import Sequence
from typing import Any

from highdicom.sr import Comprehensive3DSR, ComprehensiveSR, ContentSequence, EnhancedSR
from pydicom import Dataset

SrDocument = type[EnhancedSR] | type[ComprehensiveSR] | type[Comprehensive3DSR]


def document_of(kind: SrDocument, root: Dataset, evidence: Sequence[Dataset], **keywords: Any) -> Dataset:
    """
    Build a report of a class with everything under *root*, which belongs to it afterwards.

    highdicom's constructors copy the tree, make every item of the copy anew, and search the tree for references: most
    of the time of a report. So a constructor gets *root* with its first item alone, and the others follow. Nothing is
    lost: the items are highdicom's own and were checked when they were made; all *evidence* is recorded in any case;
    and our check demands that the evidence has what the tree references (`sgseg_dicom.check.rules.Rule.SR_EVIDENCE`).
    """
    items = root.ContentSequence
    root.ContentSequence = ContentSequence(items[:1])
    document = kind(evidence=evidence, content=root, **keywords)
    document.ContentSequence = items
    return document
