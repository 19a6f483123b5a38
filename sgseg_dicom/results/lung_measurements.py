"""
What the coded report measures of the lungs (TID 300), and how that differs from an earlier film.

All of it stands in the groups of the regions, each item with a finding site of its own: a viewer that finds a group
without outlines shows nothing of the whole report (OHIF 3.13). Of one lung it stands in the main group of its region.
What concerns both lungs, or a lung without a region, stands in the first group of all.
"""

from collections.abc import Iterator

from highdicom.sr import (
    ContentSequence,
    DateContentItem,
    FindingSite,
    Measurement,
    QualitativeEvaluation,
    SourceImageForMeasurement,
)
from pydicom.valuerep import DA

from sgseg_dicom.comparison.compare import Change, LungChange
from sgseg_dicom.comparison.films import EarlierFilm
from sgseg_dicom.records import Finding
from sgseg_dicom.results import codes
from sgseg_dicom.zones import Laterality

_CHANGES = {
    Change.MORE: codes.INCREASE,
    Change.LESS: codes.DECREASE,
    Change.UNCLEAR: codes.NO_CHANGE,
}


def measurements_of(finding: Finding, side: Laterality | None, *, first: bool) -> list[Measurement]:
    """
    Give the measurements of one group.

    Args:
        finding: with the shares.
        side: of the lung whose region the group is about; None: it is about the whole image.
        first: whether it is the first group of the report.
    """
    share = None if side is None else finding.lung_shares.get(side)
    items = [] if share is None else [_percent(codes.SHARE_OF_LUNG, share)]
    if first and finding.regions:
        items += _of_both(finding)
    if finding.comparison is not None:
        prior = finding.comparison.prior
        items += [_before(one, prior) for one in _changes(finding, side, first=first)]
    return items


def evaluations_of(finding: Finding, side: Laterality | None, *, first: bool) -> list[QualitativeEvaluation]:
    """Say of one group, as of `measurements_of`, whether more or less is marked than on the earlier film."""
    items = []
    for one in _changes(finding, side, first=first):
        item = QualitativeEvaluation(codes.DIFFERENCE, _CHANGES[one.change])
        item[0].ContentSequence = ContentSequence([_site(one.side)])
        items.append(item)
    return items


def _of_both(finding: Finding) -> Iterator[Measurement]:
    both = [FindingSite(codes.LUNG, laterality=codes.BILATERAL)]
    if finding.share_of_both is not None:
        yield _percent(codes.SHARE_OF_BOTH, finding.share_of_both, both)
    if finding.severity is not None:
        yield Measurement(
            name=codes.SEVERITY,
            value=sum(finding.severity),
            unit=codes.SCORE_UNIT,
            method=codes.BY_WONG,
            finding_sites=both,
        )


def _changes(finding: Finding, side: Laterality | None, *, first: bool) -> list[LungChange]:
    if finding.comparison is None:
        return []
    with_region = {region.laterality for region in finding.regions}
    return [
        one for one in finding.comparison.lungs if one.side is side or (first and one.side not in with_region)
    ]


def _before(one: LungChange, prior: EarlierFilm) -> Measurement:
    """Give the share on the earlier film, its date, and which image it is."""
    source = SourceImageForMeasurement(prior.reference.sop_class_uid, prior.reference.sop_instance_uid)
    item = Measurement(
        name=codes.SHARE_BEFORE,
        value=rounded(100 * one.before),
        unit=codes.PERCENT,
        method=codes.BY_PIXELS,
        finding_sites=[_site(one.side)],
        referenced_images=[source],
    )
    taken = DateContentItem(codes.DATE_BEFORE, DA(prior.taken.date), relationship_type="HAS ACQ CONTEXT")
    item[0].ContentSequence.append(taken)
    return item


def _percent(name: codes.Code, share: float, sites: list[FindingSite] | None = None) -> Measurement:
    return Measurement(
        name=name,
        value=rounded(100 * share),
        unit=codes.PERCENT,
        method=codes.BY_PIXELS,
        finding_sites=sites,
    )


def _site(side: Laterality) -> FindingSite:
    return FindingSite(codes.LUNG, laterality=codes.LATERALITY[side])


def rounded(number: float) -> float:
    """Keep one decimal, and two digits of what is smaller: one pixel is an area too, and not 0."""
    return round(number, 1) if number >= 1 else float(f"{number:.2g}")
