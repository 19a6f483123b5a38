"""Headers that cannot be parsed: the image is at fault, at once; and as far as possible it is told which image."""

import errno
import struct
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from sgseg_dicom.errors import InvalidDataset, StorageUnavailable
from sgseg_dicom.reading import open_file
from sgseg_dicom.reading.read import read, read_header
from tests.support.builders import chest_radiograph, synthetic_chest, write
from tests.support.predictions import ALGORITHM, pipeline_of

ITEM = b"\xfe\xff\x00\xe0"
END = b"\xfe\xff\xdd\xe0\0\0\0\0"
ITEM_END = b"\xfe\xff\x0d\xe0\0\0\0\0"
PLAIN = {
    ExplicitVRLittleEndian: b"\x09\x00\x01\x10LO\x04\x00abcd",
    ImplicitVRLittleEndian: b"\x09\x00\x01\x10\4\0\0\0abcd",
}


def item(value: bytes) -> bytes:
    return ITEM + struct.pack("<L", len(value)) + value


def malformed(
    path: Path, value: bytes, *, syntax: object = ExplicitVRLittleEndian, vr: bytes = b"SQ"
) -> Path:
    """Write a radiograph with a private sequence of undefined length before Patient's Name."""
    ds = chest_radiograph(pixels=synthetic_chest((96, 80)))
    ds.add(DataElement(0x00090010, "LO", "MADE UP"))
    write(ds, path, syntax)  # type: ignore[arg-type]
    explicit = syntax == ExplicitVRLittleEndian
    head = b"\x10\x00\x10\x00PN" if explicit else b"\x10\x00\x10\x00" + struct.pack("<L", 12)
    name = str(ds.PatientName).encode()
    head = head if explicit else b"\x10\x00\x10\x00" + struct.pack("<L", len(name) + len(name) % 2)
    data = path.read_bytes()
    place = data.index(head)
    sequence = (
        b"\x09\x00\x02\x10" + (vr + b"\0\0" if explicit else b"") + struct.pack("<L", 0xFFFFFFFF) + value
    )
    path.write_bytes(data[:place] + sequence + data[place:])
    return path


BROKEN = {
    "no delimiter": lambda element: item(element),
    "no item": lambda element: element + END,
    "a delimiter of an item where none belongs": lambda element: item(element) + ITEM_END + END,
    "an item of undefined length without end": lambda element: ITEM + b"\xff\xff\xff\xff" + element + END,
    "an item that is longer than the file": lambda element: ITEM + b"\0\0\0\x7f" + element + END,
    "nothing": lambda element: b"",
}


@pytest.mark.parametrize("syntax", PLAIN, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_malformed_element_is_the_images_fault_and_it_is_told_which(broken, syntax, tmp_path: Path) -> None:
    """
    An image with such an element is refused at once; the answer has its UIDs and its patient.
    """
    path = malformed(tmp_path / "x.dcm", broken(PLAIN[syntax]), syntax=syntax)

    with suppress(InvalidDataset):  # what can be read all the same is judged
        read(path)
    header = read_header(path)
    expected = chest_radiograph()
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "PatientName", "PatientID"):
        assert expected[keyword].value == header[keyword].value


@pytest.mark.parametrize("form", ["no delimiter", "no item"])
def test_a_malformed_sequence_is_not_judged(form: str, tmp_path: Path) -> None:
    """What pydicom raises for it, an OSError among others, is never taken for trouble of the disk."""
    path = malformed(tmp_path / "x.dcm", BROKEN[form](PLAIN[ExplicitVRLittleEndian]))

    with pytest.raises(InvalidDataset, match="not a readable DICOM file"):
        read(path)


def test_a_sound_sequence_is_no_fault(tmp_path: Path) -> None:
    """The same element with item and delimiter is read."""
    path = malformed(tmp_path / "x.dcm", item(PLAIN[ExplicitVRLittleEndian]) + END)

    assert read(path).pixels.shape == (96, 80)


def test_a_file_that_does_not_tell_which_image_it_is_says_so(tmp_path: Path) -> None:
    """No answer can be made for it: somebody must look."""
    path = tmp_path / "x.dcm"
    path.write_bytes(b"\0" * 128 + b"DICM" + bytes(range(256)) * 4)
    with pytest.raises(InvalidDataset) as raised:
        read(path)
    without = write(chest_radiograph(StudyInstanceUID=None), tmp_path / "y.dcm")
    with pytest.raises(InvalidDataset) as lacking:
        read(without)

    assert not raised.value.names_image
    assert not lacking.value.names_image


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ESTALE, errno.ENOENT])
def test_trouble_of_the_disk_is_trouble_of_the_disk(number: int, tmp_path: Path, monkeypatch) -> None:
    """
    What the operating system reports may go well later: the image is not at fault.
    """
    path = write(chest_radiograph(), tmp_path / "x.dcm")

    def fails(*_: object, **__: object) -> Dataset:
        raise OSError(number, "no luck")

    monkeypatch.setattr(open_file, "read_partial", fails)
    with pytest.raises(StorageUnavailable):
        read(path)


@pytest.mark.parametrize(
    "error", [OSError("No tag to read at file position 5"), OSError(errno.EINVAL, "Invalid")]
)
def test_what_the_parser_raises_is_the_images_fault(error: OSError, tmp_path: Path, monkeypatch) -> None:
    """
    pydicom raises an OSError without a number for a tag that it misses, and seeks before the file's beginning.
    """
    path = write(chest_radiograph(), tmp_path / "x.dcm")

    def fails(*_: object, **__: object) -> Dataset:
        raise error

    monkeypatch.setattr(open_file, "read_partial", fails)
    with pytest.raises(InvalidDataset):
        read(path)


@pytest.mark.parametrize("form", ["no delimiter", "no item", "nothing"])
def test_the_answer_about_a_malformed_image_is_of_that_image(form: str, tmp_path: Path) -> None:
    """Coded as incorrectly formatted (110521), in the image's study, for its patient."""
    path = malformed(tmp_path / "x.dcm", BROKEN[form](PLAIN[ExplicitVRLittleEndian]))
    with pytest.raises(InvalidDataset) as raised:
        read(path)

    assert raised.value.names_image
    pipeline = pipeline_of(SimpleNamespace(algorithm=ALGORITHM))  # type: ignore[arg-type]
    report = pipeline.not_judged(path, raised.value).dataset

    image = chest_radiograph()
    referenced = (
        report.CurrentRequestedProcedureEvidenceSequence[0]
        .ReferencedSeriesSequence[0]
        .ReferencedSOPSequence[0]
    )
    assert image.SOPInstanceUID == referenced.ReferencedSOPInstanceUID
    assert (image.StudyInstanceUID, image.PatientID) == (report.StudyInstanceUID, report.PatientID)
    assert "110521" in str(report)
