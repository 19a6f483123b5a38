"""Results are stored whole or not at all, and bytes that were sent do not change."""

import errno
import os
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import BasicTextSRStorage, ExplicitVRLittleEndian

from node.jobs import Ending, Outcome
from node.store.encoded_object import EncodedObject, encoded
from node.store.result_folder import ResultFolder
from sgseg_dicom.errors import StorageUnavailable


@pytest.fixture
def results(tmp_path: Path) -> ResultFolder:
    (tmp_path / "results").mkdir()
    return ResultFolder(tmp_path / "results")


def report(uid: str = "2.25.1", text: str = "first") -> EncodedObject:
    """Give a report that is as small as a DICOM file can be."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID, ds.SeriesDescription = BasicTextSRStorage, uid, text
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return encoded(ds)


FINDING = Outcome(
    ending=Ending.FINDING,
    files=("sr.dcm",),
    destinations=("archive",),
    sends={"archive": ("sr.dcm",)},
    answer="w PAAAAA R",
)


def test_results_are_kept_all_or_none(results):
    """
    A crash while results are written leaves nothing that looks like results.
    """
    results.write("job", {"seg.dcm": b"1", "sr.dcm": b"2"})
    (results.path / ".half").mkdir()
    (results.path / ".half" / "seg.dcm").write_bytes(b"1")

    assert results.folder_of("half") is None
    assert results.sweep() == 1
    assert {path.name for path in (results.path / "job").iterdir()} == {"seg.dcm", "sr.dcm"}


def test_results_that_cannot_be_replaced_stay(results, monkeypatch):
    """
    The disk is full while the new results are written: those that were sent are still stored, byte for byte.
    """
    results.write("job", {"sr.dcm": b"first"})

    def full(folder, files):
        folder.mkdir()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("node.store.result_folder.write_folder", full)
        with pytest.raises(StorageUnavailable, match="No space left"):
            results.write("job", {"sr.dcm": b"second"})
    assert (results.path / "job" / "sr.dcm").read_bytes() == b"first"

    results.write("job", {"sr.dcm": b"second"})
    assert [path.name for path in results.path.iterdir()] == ["job"]
    assert (results.path / "job" / "sr.dcm").read_bytes() == b"second"


def test_results_that_a_crash_left_half_replaced_come_back(results, monkeypatch):
    """
    The process is killed between the two renames: at the next start the old results are there, and nothing else.
    """
    results.write("job", {"sr.dcm": b"first"})
    rename = Path.rename

    def killed(path, target):
        if path.name == ".job":
            raise SystemExit
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(SystemExit):
            results.write("job", {"sr.dcm": b"second"})
    assert results.folder_of("job") is None
    results.sweep()

    assert [path.name for path in results.path.iterdir()] == ["job"]
    assert (results.path / "job" / "sr.dcm").read_bytes() == b"first"


def test_results_are_on_disk_before_keep_returns(results, monkeypatch):
    """
    Synchronised are the files, then their folder; then it gets its name, and the folder with that name follows.
    """
    happened = []
    fsync, rename = os.fsync, Path.rename

    def watched(descriptor):
        happened.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    monkeypatch.setattr(
        Path, "rename", lambda self, target: (happened.append("rename"), rename(self, target))[1]
    )
    results.keep("job", FINDING, {"sr.dcm": report()})

    assert happened == ["sr.dcm", "outcome.json", ".job", "rename", "results"]


def test_a_kept_outcome_comes_back_as_it_was(results):
    """
    With the files for each destination, in their order, and the summary.
    """
    results.keep("job", FINDING, {"sr.dcm": report()})

    assert results.outcome_of("job") == results.reusable_outcome("job") == FINDING
    assert results.files_for("job", "archive") == [results.path / "job" / "sr.dcm"]
    assert results.summary_of("job") == "w PAAAAA R"
    assert results.has_judgement("job")


def test_a_job_without_results_has_no_outcome(results):
    """
    Nothing is there to be reused, sent or contradicted.
    """
    assert (
        results.outcome_of("job") is results.reusable_outcome("job") is results.files_for("job", "a") is None
    )
    assert (results.summary_of("job"), results.has_judgement("job")) == ("", False)


@pytest.mark.parametrize(("uid", "stored"), [("2.25.1", "first"), ("2.25.2", "second")])
def test_under_one_uid_the_bytes_never_change(results, uid, stored):
    """
    An object that was stored before keeps its bytes; an object with another UID replaces it.
    """
    results.keep("job", FINDING, {"sr.dcm": report()})
    before = (results.path / "job" / "sr.dcm").read_bytes()

    results.keep("job", FINDING, {"sr.dcm": report(uid, "second")})
    after = (results.path / "job" / "sr.dcm").read_bytes()

    assert stored.encode() in after
    assert (before == after) == (stored == "first")


def test_results_are_reused_unless_a_new_judgement_is_requested(results):
    """
    A request can be withdrawn; without results there is nothing to request.
    """
    results.request_new_judgement("job")
    assert list(results.path.iterdir()) == []
    results.keep("job", FINDING, {"sr.dcm": report()})

    results.request_new_judgement("job")
    requested = results.reusable_outcome("job")
    results.withdraw_new_judgement("job")

    assert (requested, results.reusable_outcome("job")) == (None, FINDING)


def test_the_report_that_an_image_was_not_judged_is_no_result_to_reuse(results):
    """
    It goes to each destination of the outcome, and the next attempt judges the image.
    """
    rejected = Outcome(ending=Ending.REJECTED, destinations=("a", "b"))

    outcome = results.keep_not_judged("job", rejected, report())

    assert outcome.files == ("answer.dcm",)
    assert outcome.sends == {"a": ("answer.dcm",), "b": ("answer.dcm",)}
    assert results.outcome_of("job") == outcome
    assert results.files_for("job", "b") == [results.path / "job" / "answer.dcm"]
    assert (results.reusable_outcome("job"), results.has_judgement("job")) == (None, False)
