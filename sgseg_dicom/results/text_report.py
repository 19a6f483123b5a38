"""Finding -> Basic Text SR: what the coded report says, in words."""

from datetime import datetime

from pydicom import Dataset

from sgseg_dicom.language.language import ENGLISH, Language
from sgseg_dicom.records import Algorithm, Finding, Radiograph
from sgseg_dicom.result_kinds import OBJECT_TYPES, Kind
from sgseg_dicom.results import codes
from sgseg_dicom.results.basic_text_sr import TextReport, image, section, text, write_report
from sgseg_dicom.results.measurement_report import compared_form, referenced_form
from sgseg_dicom.results.source_header import source_of
from sgseg_dicom.zones import ZONES


def encode_text(
    radiograph: Radiograph,
    finding: Finding,
    seg: Dataset | None,
    *,
    algorithm: Algorithm,
    made_at: datetime,
    language: Language = ENGLISH,
) -> Dataset:
    """
    Write the finding in words (TID 2000), also where nothing was found; a draft, as `encode_sr`.

    First a caution about the sides, where there is one, and the warning; then the sentence, what contradicts it, the
    six zones and the regions' sizes; then what the model detects and what was assumed; then the image and the SEG.

    Args:
        radiograph: the source image.
        finding: what to report.
        seg: the Segmentation of the same finding, which is referenced; None where there is none.
        algorithm: who made it.
        made_at: the site's local time; the same time gives the same bytes.
        language: of every text.
    """
    source = source_of(radiograph)
    report = TextReport(
        form="TEXT" + referenced_form(finding, seg) + language.form + compared_form(finding),
        series_number=OBJECT_TYPES[Kind.TEXT].series_number,
        series_description=language.title(Kind.TEXT),
        sections=[
            section(
                codes.SECTION_SUMMARY,
                [
                    text(codes.SECTION_SUMMARY, words)
                    for words in (*language.caution(radiograph), language.warning(algorithm))
                ],
            ),
            section(
                codes.SECTION_FINDINGS,
                # Not as Finding (121071, DCM): OHIF does not wrap those, and cut "left" or "right" off the sentence.
                [text(codes.SECTION_FINDINGS, words) for words in _findings(finding, language)],
            ),
            section(
                codes.SECTION_PROCEDURE,
                [
                    text(codes.PROCEDURE_DESCRIPTION, words)
                    for words in (language.limits, *language.assumptions(finding, radiograph))
                ],
            ),
            section(
                codes.SECTION_IMAGES,
                [image(codes.SOURCE, source)] + ([] if seg is None else [image(codes.ILLUSTRATION, seg)]),
            ),
        ],
        evidence=[source] if seg is None else [source, seg],
    )
    return write_report(report, radiograph, algorithm=algorithm, made_at=made_at, language=language)


def _findings(finding: Finding, language: Language) -> list[str]:
    """Say the sentence first, and at once where the marked region contradicts it."""
    return [
        language.sentence(finding.zones),
        *language.doubts(finding),
        *(language.zone_statement(zone, finding.judgement_of(zone)) for zone in ZONES),
        *language.lung_extents(finding),
        *language.comparison(finding),
    ]
