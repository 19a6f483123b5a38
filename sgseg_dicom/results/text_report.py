"""Finding -> Basic Text SR: what the coded report says, in words."""

from datetime import datetime

from highdicom.sr import ContentItem
from pydicom import Dataset

from sgseg_dicom.language.language import ENGLISH, Language
from sgseg_dicom.records import Algorithm, Finding, Radiograph
from sgseg_dicom.result_kinds import Kind
from sgseg_dicom.results import codes
from sgseg_dicom.results.basic_text_sr import TextReport, code, image, section, text, write_report
from sgseg_dicom.results.measurement_report import compared_form, referenced_form
from sgseg_dicom.results.series import series_keywords
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

    First the summary: a caution about the sides, where there is one, the sentence, and what contradicts it. Then the
    six zones and the regions' sizes. Last what the model detects, what was assumed and the warning; then the image
    and the SEG. The summary of CID 6047 is coded beside them, for software that gets no other report.

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
        series=series_keywords(radiograph, Kind.TEXT, finding, language),
        sections=[
            # Not as Finding (121071, DCM): OHIF does not wrap those, and cut "left" or "right" off the sentence.
            section(
                codes.SECTION_SUMMARY,
                [text(codes.SECTION_SUMMARY, words) for words in _summary(finding, radiograph, language)],
            ),
            section(
                codes.SECTION_FINDINGS,
                [text(codes.SECTION_FINDINGS, words) for words in _findings(finding, language)],
            ),
            section(codes.SECTION_PROCEDURE, _procedure(finding, radiograph, algorithm, language)),
            section(
                codes.SECTION_IMAGES,
                [image(codes.SOURCE, source)] + ([] if seg is None else [image(codes.ILLUSTRATION, seg)]),
            ),
        ],
        evidence=[source] if seg is None else [source, seg],
    )
    return write_report(report, radiograph, algorithm=algorithm, made_at=made_at, language=language)


def _summary(finding: Finding, radiograph: Radiograph, language: Language) -> list[str]:
    """Say the sentence, and at once where the marked region contradicts it."""
    return [*language.caution(radiograph), language.sentence(finding.zones), *language.doubts(finding)]


def _findings(finding: Finding, language: Language) -> list[str]:
    """Say what is thought of each zone, and how large the regions are."""
    return [
        *(language.zone_statement(zone, finding.judgement_of(zone)) for zone in ZONES),
        *language.lung_extents(finding),
        *language.comparison(finding),
    ]


def _procedure(
    finding: Finding, radiograph: Radiograph, algorithm: Algorithm, language: Language
) -> list[ContentItem]:
    """Say what was looked for, what was assumed, and that it is a draft."""
    said = (language.limits, *language.assumptions(finding, radiograph), language.warning(algorithm))
    summary = codes.WITH_FINDINGS if finding.is_positive else codes.WITHOUT_FINDINGS
    return [*(text(codes.PROCEDURE_DESCRIPTION, words) for words in said), code(codes.SUMMARY, summary)]
