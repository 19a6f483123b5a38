"""Finding -> Secondary Capture: a picture for readers that show neither SEG nor SR. A fallback."""

from datetime import datetime

import numpy as np
from highdicom.sc import SCImage
from highdicom.sr import CodedConcept
from PIL import Image
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pydicom.valuerep import DA, TM

from sgseg_dicom.attributes import LOSS_KEYWORDS
from sgseg_dicom.errors import InvalidResult
from sgseg_dicom.language.language import ENGLISH, Language
from sgseg_dicom.records import Algorithm, Finding, Radiograph
from sgseg_dicom.result_kinds import Kind
from sgseg_dicom.results import codes
from sgseg_dicom.results.finish import finish
from sgseg_dicom.results.overlay import draw_overlay_within, undrawable
from sgseg_dicom.results.provenance import instance_keywords
from sgseg_dicom.results.series import series_keywords
from sgseg_dicom.results.source_header import source_of

LONGEST_SIDE = 1024
"""Pixels; the picture is for reading, the radiograph for diagnosis."""


def encode_capture(
    radiograph: Radiograph,
    finding: Finding,
    *,
    algorithm: Algorithm,
    made_at: datetime,
    language: Language = ENGLISH,
) -> Dataset:
    """
    Draw the finding over the radiograph as a colour Secondary Capture (PS3.3 A.8.1), also where nothing was found.

    The standard display with "R" and "L" of the patient, outlines, sentence, limits, and burned in that it is a
    draft, of which algorithm and version. No patient's name is burned in.

    Args:
        radiograph: the source image.
        finding: what to draw.
        algorithm: who made it.
        made_at: the site's local time; the same time gives the same bytes.
        language: of what is written.

    Raises:
        InvalidResult: the font lacks a letter of the language.
    """
    source = source_of(radiograph)
    form = f"SC{language.form}"
    capture = SCImage.from_ref_dataset(
        source,
        pixel_array=np.asarray(_picture(radiograph, finding, algorithm, language)),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),
        **instance_keywords(radiograph, algorithm, form),
        **series_keywords(radiograph, Kind.CAPTURE, finding, language),
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    capture.copy_patient_and_study_information(source)  # the constructor takes over less than the others' do
    capture.ConversionType = "WSD"  # made on a workstation, not digitised
    capture.DateOfSecondaryCapture, capture.TimeOfSecondaryCapture = DA(made_at.date()), TM(made_at.time())
    capture.BurnedInAnnotation = "YES"
    capture.BodyPartExamined = "CHEST"  # unpaired: Laterality (0020,0060) is then not required
    capture.ImageComments = f"{language.sentence(finding.zones)} {language.warning(algorithm)}"
    capture.SourceImageSequence = [_reference(source)]
    for keyword in LOSS_KEYWORDS:
        if keyword in source:
            capture[keyword] = source[keyword]
    return finish(capture, radiograph=radiograph, algorithm=algorithm, made_at=made_at)


def _picture(
    radiograph: Radiograph, finding: Finding, algorithm: Algorithm, language: Language
) -> Image.Image:
    title_lines = (language.title(Kind.CAPTURE), language.warning(algorithm))
    # Also what is not written under this image: no letter is drawn for the first time in a patient's result.
    possible = (*language.possible_remarks, *language.possible_assumptions)
    texts = (
        *title_lines,
        language.sentence(finding.zones),
        *possible,
        language.limits,
        language.draft,
    )
    if missing := undrawable("".join(texts)):
        raise InvalidResult(
            f"the font of pictures has no {missing}; set [report] plain_ascii, or want no secondary-capture"
        )
    return draw_overlay_within(
        radiograph, finding, limit=LONGEST_SIDE, title_lines=title_lines, language=language
    )


def _reference(source: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(codes.PROCESSED_IMAGE)]
    return item
