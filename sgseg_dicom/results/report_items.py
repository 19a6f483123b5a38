"""What the SR says besides its measurement groups: the image library, the evaluations, the words."""

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    FindingSite,
    ImageContentItem,
    LanguageOfContentItemAndDescendants,
    NumContentItem,
    TextContentItem,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes as dicom_codes

from sgseg_dicom.language.language import ENGLISH, Language
from sgseg_dicom.records import Finding
from sgseg_dicom.results import codes
from sgseg_dicom.results.measurement_groups import Context
from sgseg_dicom.zones import ZONES, Zone

_CONTAINS = "CONTAINS"
_CONTEXT = "HAS ACQ CONTEXT"


def image_library(source: Dataset) -> ContainerContentItem:
    """
    Build the image library (TID 1600) with the one source image.

    By hand: highdicom's raises without Imager Pixel Spacing or Patient Orientation, and for some SOP classes.
    """
    image = ImageContentItem(
        codes.SOURCE, source.SOPClassUID, source.SOPInstanceUID, relationship_type=_CONTAINS
    )
    image.ContentSequence = ContentSequence(_descriptors(source))
    group = _container(dicom_codes.DCM.ImageLibraryGroup, [image])
    return _container(dicom_codes.DCM.ImageLibrary, [group])


def qualitative_evaluations(finding: Finding, context: Context) -> ContainerContentItem:
    """Build the evaluations: caution, sentence, summary, six zones, extents, limits and warning, in this order."""
    language = context.language
    caution = language.caution(context.radiograph)
    comments = [
        *language.lung_extents(finding),
        *language.comparison(finding),
        *language.doubts(finding),
        *language.assumptions(finding, context.radiograph),
        language.limits,
        language.warning(context.algorithm),
    ]
    items = [
        *(TextContentItem(codes.COMMENT, text, relationship_type=_CONTAINS) for text in caution),
        *_sentences(finding, language),
        CodeContentItem(
            codes.SUMMARY,
            codes.WITH_FINDINGS if finding.is_positive else codes.WITHOUT_FINDINGS,
            relationship_type=_CONTAINS,
        ),
        *(_zone(zone, codes.JUDGEMENT[finding.judgement_of(zone)]) for zone in ZONES),
        *(TextContentItem(codes.COMMENT, text, relationship_type=_CONTAINS) for text in comments),
    ]
    return _container(codes.QUALITATIVE_EVALUATIONS, items)


def language_of(language: Language) -> LanguageOfContentItemAndDescendants:
    """Name the language of an item and of all below it (TID 1204)."""
    return LanguageOfContentItemAndDescendants(CodedConcept(language.code, "RFC5646", language.english_name))


def _sentences(finding: Finding, language: Language) -> list[TextContentItem]:
    """
    Say the sentence; in another language than English, add the canonical one, marked as English.

    It is the one that other software can rely on: `sgseg_dicom.zones.zones_of` reads it.
    """
    sentence = language.sentence(finding.zones)
    items = [TextContentItem(codes.FINDING, sentence, relationship_type=_CONTAINS)]
    if sentence != finding.sentence:
        canonical = TextContentItem(codes.FINDING, finding.sentence, relationship_type=_CONTAINS)
        canonical.ContentSequence = language_of(ENGLISH)
        items.append(canonical)
    return items


def _zone(zone: Zone, judgement: codes.Code) -> CodeContentItem:
    """Build "infection: Present, in the lower zone of the lung, right"."""
    item = CodeContentItem(codes.INFECTION, judgement, relationship_type=_CONTAINS)
    site = FindingSite(codes.LEVEL[zone.level], laterality=codes.LATERALITY[zone.laterality])
    item.ContentSequence = ContentSequence([site])
    return item


def _descriptors(source: Dataset) -> list[ContentItem]:
    """Build TID 1602 and, of TID 1603, what the image states."""
    dcm = dicom_codes.DCM
    items: list[ContentItem] = [
        _number(dcm.PixelDataRows, source.Rows, codes.PIXELS),
        _number(dcm.PixelDataColumns, source.Columns, codes.PIXELS),
    ]
    if modality := codes.MODALITY.get(source.Modality):
        items.insert(0, CodeContentItem(dcm.Modality, modality, relationship_type=_CONTEXT))
    if orientation := source.get("PatientOrientation"):
        items += [
            TextContentItem(name, value, relationship_type=_CONTEXT)
            for name, value in zip(
                (dcm.PatientOrientationRow, dcm.PatientOrientationColumn), orientation, strict=True
            )
        ]
    # Codes 111026 and 111066 mean the distance at the front of the detector, which Imager Pixel Spacing is.
    if (spacing := source.get("ImagerPixelSpacing")) and min(spacing) > 0:
        items += [
            _number(dcm.HorizontalPixelSpacing, float(spacing[1]), codes.MILLIMETRE),
            _number(dcm.VerticalPixelSpacing, float(spacing[0]), codes.MILLIMETRE),
        ]
    return items


def _number(name: codes.Code, value: float, unit: codes.Code) -> NumContentItem:
    return NumContentItem(name, value, unit, relationship_type=_CONTEXT)


def _container(name: codes.Code, items: list[ContentItem]) -> ContainerContentItem:
    container = ContainerContentItem(name, is_content_continuous=False, relationship_type=_CONTAINS)
    container.ContentSequence = ContentSequence(items)
    return container
