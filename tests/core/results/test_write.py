"""A result is written once, and its bytes are those of pydicom and of highdicom's own constructors."""

from io import BytesIO

import numpy as np
import pytest
from highdicom.sr import Comprehensive3DSR
from pydicom import Dataset, dcmread

from sgseg_dicom.findings.measure import measure
from sgseg_dicom.result_kinds import Kind, Wanted
from sgseg_dicom.results import measurement_report, sr_document
from sgseg_dicom.results.encode import encode_results
from sgseg_dicom.results.measurement_report import encode_sr
from sgseg_dicom.results.write import write
from tests.support.builders import chest_radiograph
from tests.support.builders import write as write_image
from tests.support.matrix import Looking
from tests.support.predictions import ALGORITHM, MADE_AT, both_lungs, pipeline_of, read_built, with_lungs

EVERY = {
    "one": Wanted(results=tuple(Kind), segmentation="binary"),
    "other": Wanted(results=tuple(Kind), segmentation="fractional", sr_class="comprehensive"),
}
SOURCES = {
    "plain": {},
    "of many letters": {"PatientName": "Łukasz^Zoë=山田^太郎", "StudyDescription": "胸部 – zwölf"},
    "poor": {"PatientOrientation": None, "ImagerPixelSpacing": None, "PatientName": None},
}


def made(**keywords):
    radiograph = read_built(**keywords)
    finding = measure(with_lungs(both_lungs()), radiograph)
    return encode_results(radiograph, finding, EVERY, algorithm=ALGORITHM, made_at=MADE_AT)[0]


@pytest.mark.parametrize("source", SOURCES)
def test_the_bytes_are_those_that_pydicom_writes(source):
    """Of every kind and form of result, whatever the texts."""
    files = made(**SOURCES[source])

    assert len(files) > 5
    for name, ds in files.items():
        file = BytesIO()
        ds.save_as(file, enforce_file_format=True)
        assert write(ds).content == file.getvalue(), name


def test_values_that_are_no_plain_texts_are_written_as_pydicom_writes_them():
    """Numbers, several values, names, empty values and items with a character set of their own."""
    inner = Dataset()
    inner.GraphicData = [1.5, 2.25, 1e-30]
    inner.NumericValue, inner.SelectorATValue, inner.DoseReferenceUID = 3.125, 0x00100010, None
    inner.OtherPatientIDs, inner.PatientName, inner.TextValue = ["å", "ß"], "A^B=山", "odd"
    inner.CodeMeaning, inner.LossyImageCompressionRatio, inner.ReferencedFrameNumber = "", "7.50", [1, 2]
    result = next(iter(made().values()))
    result.AcquisitionContextSequence = [inner, Dataset()]
    result.ReferencedStudySequence = []
    file = BytesIO()
    result.save_as(file, enforce_file_format=True)

    assert write(result).content == file.getvalue()

    inner.SpecificCharacterSet = "ISO_IR 100"
    inner.OtherPatientIDs, inner.PatientName = ["å", "ß"], "Zoë"
    file = BytesIO()
    result.save_as(file, enforce_file_format=True)
    assert dcmread(BytesIO(file.getvalue())).AcquisitionContextSequence[0].PatientName == "Zoë"


def test_a_report_is_what_highdicoms_constructor_makes_of_the_whole_tree(monkeypatch):
    """The constructor sees one item alone, and the rest follows: nothing it adds depends on them."""

    def whole(kind, root, evidence, **keywords):
        return kind(evidence=evidence, content=root, **keywords)

    radiograph = read_built()
    finding = measure(with_lungs(both_lungs()), radiograph)
    about = {"algorithm": ALGORITHM, "made_at": MADE_AT}
    ours = encode_sr(radiograph, finding, None, **about)
    monkeypatch.setattr(measurement_report, "document_of", whole)
    theirs = encode_sr(radiograph, finding, None, **about)

    assert sr_document.document_of is not measurement_report.document_of
    assert isinstance(theirs, Comprehensive3DSR)
    assert write(ours).content == write(theirs).content


def test_what_was_checked_is_what_is_kept(tmp_path):
    """Each object's data set is what a reader of its bytes finds."""
    path = write_image(chest_radiograph(), tmp_path / "image.dcm")
    results = pipeline_of(Looking())(path)

    assert results.files
    for one in results.files.values():
        assert dcmread(BytesIO(one.content)) == one.dataset
    assert [ds.SOPInstanceUID for ds in results.objects] == [
        one.dataset.SOPInstanceUID for one in results.files.values()
    ]
    assert np.all([one.content[128:132] == b"DICM" for one in results.files.values()])
