"""The answer for an image that was not judged: coded, plain, from the header alone, and never "normal"."""

import pickle
import tomllib

import pytest
from highdicom._standard_utils import get_sop_class_iod_map
from pydicom import dcmread
from pydicom.sr.codedict import codes as dicom_codes
from pydicom.uid import (
    UID,
    BasicTextSRStorage,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    EncapsulatedPDFStorage,
    UID_dictionary,
)

from sgseg_dicom import errors
from sgseg_dicom.errors import (
    InferenceError,
    InstanceError,
    InvalidDataset,
    InvalidResult,
    NotApplicable,
    SgsegError,
    StorageUnavailable,
    UndecodablePixels,
)
from sgseg_dicom.language.language import PACKAGED, Language, load_language
from sgseg_dicom.language.schema import OTHER_REASON
from sgseg_dicom.own_results import is_own_result
from sgseg_dicom.reading.read import read_header
from sgseg_dicom.refusal_reasons import RefusalReason
from sgseg_dicom.results import codes
from sgseg_dicom.results.not_judged import UNSPECIFIED, encode_not_judged, is_referable, reason_code
from tests.support.builders import chest_radiograph, write
from tests.support.matrix import Looking
from tests.support.predictions import ALGORITHM, MADE_AT, pipeline_of

LATERAL = NotApplicable("View Position says lateral; send frontal views", reason=RefusalReason.LATERAL_VIEW)
MADE = {"algorithm": ALGORITHM, "made_at": MADE_AT}
NORMAL_OR_JUDGED = {"272519000", "17621005", "111241", "111242", "111243", "111244", "111245", "121071"}


def header_of(folder, **keywords):
    return read_header(write(chest_radiograph(**keywords), folder / "image.dcm"))


def walk(item):
    for child in item.get("ContentSequence") or []:
        yield child
        yield from walk(child)


def coded(report, name):
    (value,) = [
        item.ConceptCodeSequence[0].CodeValue
        for item in walk(report)
        if item.ValueType == "CODE" and item.ConceptNameCodeSequence[0].CodeValue == name.value
    ]
    return value


def texts(report):
    return [item.TextValue for item in walk(report) if item.ValueType == "TEXT"]


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (LATERAL, "111225", "110522"),
        (NotApplicable("a child", reason=RefusalReason.CHILD), "111225", "110532"),
        (NotApplicable("blank", reason=RefusalReason.BLANK), "111225", "111213"),
        (UndecodablePixels("cut off"), "111225", "110521"),
        (InferenceError("CUDA"), "111224", "110501"),
        (StorageUnavailable("full"), "111224", "110527"),
        (InvalidResult("a wrong side"), "111224", "111218"),
    ],
)
def test_status_and_reason_are_coded(tmp_path, error, status, reason):
    """
    Not Attempted where the image is at fault, Failed where we are (CID 6042), with a reason of the standard.
    """
    report = encode_not_judged(header_of(tmp_path), error, **MADE)

    assert (coded(report, codes.STATUS), coded(report, codes.WHY_NOT_JUDGED)) == (status, reason)


@pytest.mark.parametrize("error", [LATERAL, InferenceError("CUDA")])
def test_it_is_never_read_as_normal(tmp_path, error):
    """
    No finding, nothing Absent, nothing normal, no summary of CID 6047: and it says that it was NOT judged.
    """
    report = encode_not_judged(header_of(tmp_path), error, **MADE)

    said = {code.CodeValue for item in walk(report) for code in item.ConceptNameCodeSequence}
    said |= {code.CodeValue for item in walk(report) for code in item.get("ConceptCodeSequence", [])}
    assert not said & NORMAL_OR_JUDGED
    assert any("was NOT judged" in text for text in texts(report))
    assert any("not judged does not mean normal" in text for text in texts(report))
    assert "NOT JUDGED" in report.SeriesDescription


def test_it_tells_the_senders_fault_with_its_cure(tmp_path):
    """
    The reason in one word, cause and cure as the status has them.
    """
    report = encode_not_judged(header_of(tmp_path), LATERAL, **MADE)

    assert any(text.startswith(f"lateral-view: {LATERAL}") for text in texts(report))


def test_english_among_german_is_marked_as_english(tmp_path):
    """
    TID 1204 says of the root that all below it is German, unless an item says otherwise.
    """
    report = encode_not_judged(header_of(tmp_path), LATERAL, **MADE, language=load_language("de"))
    (detail,) = [
        item for item in walk(report) if item.ValueType == "TEXT" and "NOT judged by" in item.TextValue
    ]
    (said,) = detail.ContentSequence

    assert said.ConceptNameCodeSequence[0].CodeValue == "121049"
    assert said.ConceptCodeSequence[0].CodeValue == "en"
    assert said.RelationshipType == "HAS CONCEPT MOD"


def test_it_does_not_tell_an_archive_about_our_machine(tmp_path):
    """
    Messages of our own failures name folders and devices; the kind of failure is enough.
    """
    report = encode_not_judged(header_of(tmp_path), StorageUnavailable("/srv/secret cannot be used"), **MADE)

    assert not any("secret" in text for text in texts(report))
    assert any(text.startswith("StorageUnavailable.") for text in texts(report))


def test_it_is_a_draft_of_ours_about_the_image(tmp_path):
    """
    Basic Text SR in the image's study, for the same patient, PARTIAL, UNVERIFIED, PRELIMINARY.
    """
    header = header_of(tmp_path)
    report = encode_not_judged(header, LATERAL, **MADE)

    assert report.SOPClassUID == BasicTextSRStorage
    assert (report.StudyInstanceUID, report.PatientName) == (header.StudyInstanceUID, header.PatientName)
    assert (report.CompletionFlag, report.VerificationFlag) == ("PARTIAL", "UNVERIFIED")
    assert report.PreliminaryFlag == "PRELIMINARY"
    assert is_own_result(report)
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    (sop,) = study.ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert sop.ReferencedSOPInstanceUID == header.SOPInstanceUID


def test_another_reason_is_another_instance(tmp_path):
    """
    An image that failed and was then refused has two answers: content differs, so UIDs do.
    """
    header = header_of(tmp_path)
    uids = [
        encode_not_judged(header, error, **MADE).SOPInstanceUID
        for error in (LATERAL, LATERAL, InferenceError("CUDA"))
    ]

    assert uids[0] == uids[1] != uids[2]


@pytest.mark.parametrize("reason", RefusalReason)
@pytest.mark.parametrize("file", sorted(PACKAGED.glob("*.toml")), ids=lambda file: file.stem)
def test_every_reason_has_its_own_words_in_every_language(reason, file):
    """
    What the gates can say, also what only the image shows, is no "other" to any reader.
    """
    language = Language(path=file)

    assert language.not_judged(reason) != language.not_judged(OTHER_REASON)


@pytest.mark.parametrize("file", sorted(PACKAGED.glob("*.toml")), ids=lambda file: file.stem)
def test_no_language_has_words_for_a_reason_that_nobody_gives(file):
    """
    Each key is a refusal reason, the name of an error, or "other": a dead one is a misspelt one.
    """
    written = set(tomllib.loads(file.read_text("utf-8"))["reason"])
    errors_named = {cause.__name__ for cause in subclasses(SgsegError)}

    assert written - {*RefusalReason, OTHER_REASON} <= errors_named


def test_a_reason_survives_the_durable_queue():
    """
    Also one that 0.3.0 pickled, as its word.
    """
    copied = pickle.loads(pickle.dumps(LATERAL))
    rebuild, (message, word) = LATERAL.__reduce__()

    assert (str(copied), copied.reason) == (str(LATERAL), RefusalReason.LATERAL_VIEW)
    assert type(word) is str
    assert rebuild(message, "lateral-view").reason is RefusalReason.LATERAL_VIEW


def test_every_code_is_one_of_the_standard():
    """
    Why a procedure was discontinued (CID 9300, 9302, 9303), or what is wrong with an image (CID 6135).
    """
    groups = (dicom_codes.cid9300, dicom_codes.cid9302, dicom_codes.cid9303, dicom_codes.cid6135)
    known = {
        (code.value, code.scheme_designator, code.meaning)
        for group in groups
        for code in group.concepts.values()
    }

    assert {tuple(reason.code) for reason in RefusalReason} <= known
    assert UNSPECIFIED.value in {value for value, _, _ in known}


def test_an_unknown_error_has_a_generic_code():
    """
    A new error must not be a report that is missing.
    """

    class Unheard(InstanceError):
        """An error of tomorrow."""

    assert reason_code(Unheard("?")) == UNSPECIFIED


def subclasses(cause):
    return {cause}.union(*(subclasses(one) for one in cause.__subclasses__()))


_ERRORS = sorted(subclasses(SgsegError), key=lambda one: one.__name__)  # workers must collect the same order


@pytest.mark.parametrize("cause", [one for one in _ERRORS if one.__module__ == errors.__name__])
def test_every_error_has_a_code(cause):
    """
    Whatever ends an image has a reason.
    """
    error = cause("?", reason=RefusalReason.CHILD) if cause is NotApplicable else cause("?")

    assert reason_code(error).value


@pytest.mark.parametrize(
    "keywords",
    [
        {"PixelData": b""},
        {"PixelData": None, "Rows": None, "Columns": None, "BitsAllocated": None},
        {"PatientName": None, "PatientBirthDate": "19500000", "StudyDate": None, "PatientOrientation": None},
        {"SpecificCharacterSet": "ISO 2022 IR 87", "PatientName": "山田^太郎"},
        {"SOPClassUID": CTImageStorage, "Modality": "CT"},
    ],
)
def test_the_header_alone_is_enough(tmp_path, keywords):
    """
    No pixels, no size, a poor header, another kind of object: the image is named all the same.
    """
    ds = chest_radiograph(**keywords)
    path = write(ds, tmp_path / "image.dcm")

    report = pipeline_of(Looking()).not_judged(path, UndecodablePixels("cut off")).dataset

    assert report.StudyInstanceUID == ds.StudyInstanceUID


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID"])
def test_without_the_images_uids_there_is_no_answer(tmp_path, keyword):
    """
    An object that refers to nothing is worse than none; the error says so.
    """
    path = write(chest_radiograph(**{keyword: None}), tmp_path / "image.dcm")

    with pytest.raises(InvalidDataset, match=keyword):
        pipeline_of(Looking()).not_judged(path, LATERAL)


def test_only_what_a_report_can_refer_to_is_answered():
    """highdicom knows the stored classes of the current edition; asked for another it raises a KeyError."""
    referable = {uid for uid in UID_dictionary if is_referable(UID(uid))}

    assert referable <= set(get_sop_class_iod_map())
    assert {ComputedRadiographyImageStorage, CTImageStorage, EncapsulatedPDFStorage} <= referable
    assert "1.2.840.10008.5.1.4.1.1.6" not in referable  # Ultrasound Image Storage, retired


def test_an_image_of_an_unknown_kind_has_no_answer(tmp_path):
    """
    Nothing tells how to refer to it.
    """
    path = write(chest_radiograph(SOPClassUID="1.2.3.4"), tmp_path / "image.dcm")

    with pytest.raises(InvalidDataset, match="SOP class is unknown or retired"):
        pipeline_of(Looking()).not_judged(path, LATERAL)


def test_what_is_not_dicom_has_no_answer(tmp_path):
    """
    Nobody knows whose image it was.
    """
    (tmp_path / "note.txt").write_text("not DICOM")

    with pytest.raises(InvalidDataset, match="not a readable DICOM file"):
        pipeline_of(Looking()).not_judged(tmp_path / "note.txt", LATERAL)


def test_no_answer_speaks_of_another_images_uid(tmp_path):
    """
    A file whose meta information and data set name two images: nobody knows which of them it is.
    """
    path = write(chest_radiograph(), tmp_path / "image.dcm")
    ds = dcmread(path)
    ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    ds.save_as(path)

    with pytest.raises(InvalidDataset, match="another SOP Instance UID"):
        pipeline_of(Looking()).not_judged(path, LATERAL)
