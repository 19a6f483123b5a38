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
from sgseg_dicom.picture_style import PictureStyle
from sgseg_dicom.records import Algorithm, Finding, Radiograph
from sgseg_dicom.result_kinds import Kind
from sgseg_dicom.results import codes
from sgseg_dicom.results.finish import finish
from sgseg_dicom.results.measurement_report import compared_form
from sgseg_dicom.results.overlay import draw_overlay
from sgseg_dicom.results.provenance import instance_keywords
from sgseg_dicom.results.series import series_keywords
from sgseg_dicom.results.source_header import source_of
from sgseg_dicom.results.text_column import undrawable


def encode_capture(
    radiograph: Radiograph,
    finding: Finding,
    *,
    algorithm: Algorithm,
    made_at: datetime,
    language: Language = ENGLISH,
    style: PictureStyle = "outline",
) -> Dataset:
    """
    Draw the finding over the radiograph as a colour Secondary Capture (PS3.3 A.8.1), also where nothing was found.

    The standard display with the regions, the patient's "R" and "L" beside it, the sentence, the marked share of
    each lung, how it differs from earlier films, limits, and once, that it is a draft, of which algorithm and
    version. No patient's name is burned in.

    Args:
        radiograph: the source image.
        finding: what to draw.
        algorithm: who made it.
        made_at: the site's local time; the same time gives the same bytes.
        language: of what is written.
        style: how regions are marked; each has UIDs of its own, and so has each comparison.

    Raises:
        InvalidResult: the font lacks a letter of the language.
    """
    source = source_of(radiograph)
    form = f"SC {style}{language.form}{compared_form(finding)}"
    capture = SCImage.from_ref_dataset(
        source,
        pixel_array=np.asarray(
            draw_picture(radiograph, finding, algorithm=algorithm, language=language, style=style)
        ),
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


def draw_picture(
    radiograph: Radiograph,
    finding: Finding,
    *,
    algorithm: Algorithm,
    language: Language,
    style: PictureStyle = "outline",
) -> Image.Image:
    """
    Draw the finding over the radiograph, as it is burned into the Secondary Capture; arguments of `encode_capture`.

    Raises:
        InvalidResult: the font lacks a letter of the language.
    """
    warning = language.warning(algorithm)
    # Also what is not written beside this image: no letter is drawn for the first time in a patient's result.
    texts = (
        warning,
        language.sentence(finding.zones),
        *language.possible_remarks,
        *language.possible_assumptions,
        *language.picture_texts,
        language.limits,
    )
    if missing := undrawable("".join(texts)):
        raise InvalidResult(
            f"the font of pictures has no {missing}; set [report] plain_ascii, or want no secondary-capture"
        )
    return draw_overlay(radiograph, finding, warning=warning, language=language, style=style)


def _reference(source: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(codes.PROCESSED_IMAGE)]
    return item
