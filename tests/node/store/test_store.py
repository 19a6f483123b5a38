"""What the store has returned from survives; what it refuses, it names."""

import os
import threading
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from node.store.content_digest import content_digest
from node.store.store import Store
from node.work.queue import prepare
from sgseg_dicom.errors import InvalidDataset, StorageUnavailable
from tests.support.builders import chest_radiograph, write


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.prepare()
    return store


def incoming(store: Store, ds: Dataset, name: str = "a.dcm", syntax: str = ExplicitVRLittleEndian) -> Path:
    """Write *ds* where the receiver writes."""
    return write(ds, store.incoming / name, syntax)


def files(store: Store, part: str) -> list[Path]:
    return [path for path in (store.folder / part).rglob("*") if path.is_file()]


def test_an_image_is_kept_as_it_came(store):
    """
    The kept file has the bytes that were received, and the temporary is gone.
    """
    ds = chest_radiograph()
    path = incoming(store, ds)
    content = path.read_bytes()

    kept = store.put(path, ds.SOPInstanceUID)

    assert (store.folder / kept.file).read_bytes() == content
    assert (kept.new, kept.conflicting) == (True, False)
    assert files(store, "incoming") == []


def test_names_on_disk_tell_nothing_of_the_patient(store):
    """
    Neither the SOP Instance UID nor a patient field is in a path.
    """
    ds = chest_radiograph()
    kept = store.put(incoming(store, ds), ds.SOPInstanceUID)

    assert ds.SOPInstanceUID not in kept.file + kept.id
    assert str(ds.PatientID) not in kept.file


def test_the_same_image_again_is_not_kept_twice(store):
    """
    Identical bytes have the same key and are no news.
    """
    ds = chest_radiograph()
    first = store.put(incoming(store, ds), ds.SOPInstanceUID)
    again = store.put(incoming(store, ds), ds.SOPInstanceUID)

    assert (again.id, again.file, again.new, again.conflicting) == (first.id, first.file, False, False)
    assert len(files(store, "instances")) == 1
    assert files(store, "incoming") == []


def test_who_wrote_the_file_header_does_not_count(store):
    """
    An upgrade of the receiver changes the implementation's name in the header: still the same image.
    """
    ds = chest_radiograph()
    first = incoming(store, ds, "a.dcm")
    header = first.read_bytes()
    second = store.incoming / "b.dcm"
    second.write_bytes(header.replace(b"PYDICOM", b"OTHERXX"))

    assert second.read_bytes() != header
    assert content_digest(second) == content_digest(first)


def test_other_content_under_the_same_uid_is_quarantined(store):
    """
    Neither file replaces the other.
    """
    ds = chest_radiograph()
    first = store.put(incoming(store, ds), ds.SOPInstanceUID)
    content = (store.folder / first.file).read_bytes()
    ds.PatientID = "OTHER"
    other = incoming(store, ds)
    other_content = other.read_bytes()

    second = store.put(other, ds.SOPInstanceUID)

    assert (second.conflicting, second.new, second.id == first.id) == (True, True, False)
    assert (store.folder / first.file).read_bytes() == content
    assert second.file.startswith("quarantine/")
    assert (store.folder / second.file).read_bytes() == other_content


def test_what_conflicted_is_another_job_once_the_other_content_is_gone(store):
    """
    It is then an image like any other, and the job that quarantined it is not taken for its own.
    """
    ds = chest_radiograph()
    first = store.put(incoming(store, ds), ds.SOPInstanceUID)
    ds.PatientID = "OTHER"
    second = store.put(incoming(store, ds), ds.SOPInstanceUID)
    assert store.put(incoming(store, ds), ds.SOPInstanceUID).id == second.id
    store.remove(first.id, first.file)

    third = store.put(incoming(store, ds), ds.SOPInstanceUID)

    assert (third.new, third.conflicting) == (True, False)
    assert third.id not in (first.id, second.id)


@pytest.mark.parametrize(
    "first", [ImplicitVRLittleEndian, ExplicitVRLittleEndian], ids=["implicit", "explicit"]
)
@pytest.mark.parametrize("lengths", [True, False], ids=["undefined lengths", "defined lengths"])
def test_an_image_that_comes_over_two_routes_is_one(store, first, lengths):
    """
    Another encoding of the same values is no other content: the modality sends one, the archive the other.
    """
    ds, second = image_with_much_in_it(), ExplicitVRLittleEndian
    kept = store.put(incoming(store, ds, syntax=first), ds.SOPInstanceUID)
    content = (store.folder / kept.file).read_bytes()

    ds["ViewCodeSequence"].is_undefined_length = lengths
    for item in ds.ViewCodeSequence:
        item.is_undefined_length_sequence_item = lengths

    again = store.put(incoming(store, ds, syntax=second), ds.SOPInstanceUID)

    assert (again.new, again.conflicting, again.id) == (False, False, kept.id)
    assert (store.folder / kept.file).read_bytes() == content
    assert store.quarantine.count_images() == 0


@pytest.mark.parametrize("keyword", ["PatientID", "PixelData", "private", "ViewCodeSequence"])
def test_one_value_that_differs_is_other_content_in_whatever_encoding(store, keyword):
    """
    In the header, the pixels, a private element or an item.
    """
    ds = image_with_much_in_it()
    store.put(incoming(store, ds, syntax=ImplicitVRLittleEndian), ds.SOPInstanceUID)
    if keyword == "PixelData":
        ds.PixelData = ds.PixelData[:-1] + bytes([ds.PixelData[-1] ^ 1])
    elif keyword == "private":
        ds.private_block(0x0011, "SGSEG TEST")[0x01].value = "other"
    elif keyword == "ViewCodeSequence":
        ds.ViewCodeSequence[0].CodeMeaning = "other"
    else:
        ds.PatientID = "OTHER"

    assert store.put(incoming(store, ds), ds.SOPInstanceUID).conflicting
    assert store.quarantine.count_images() == 1


def image_with_much_in_it():
    """Give an image with a sequence and a private element."""
    ds = chest_radiograph()
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "399348003", "SCT", "antero-posterior"
    ds.ViewCodeSequence = [item]
    ds.private_block(0x0011, "SGSEG TEST", create=True).add_new(0x01, "LO", "private")
    return ds


@pytest.mark.parametrize("content", [b"", b"\0" * 128 + b"DICM", b"\0" * 300])
def test_bytes_that_are_not_dicom_are_refused(store, content):
    """
    The sender hears of it, and nothing is kept.
    """
    path = store.incoming / "x.dcm"
    path.write_bytes(content)

    with pytest.raises(InvalidDataset):
        store.put(path, "1.2.3")
    assert files(store, "instances") == []


def test_a_full_disk_is_told_before_it_is_full(tmp_path):
    """
    Below the watermark nothing more is taken.
    """
    store = Store(tmp_path, min_free_bytes=1 << 60)
    store.prepare()
    ds = chest_radiograph()

    with pytest.raises(StorageUnavailable, match="min_free_megabytes"):
        store.put(incoming(store, ds), ds.SOPInstanceUID)


@pytest.mark.parametrize("part", ["incoming", "results"])
def test_a_store_that_cannot_be_written_is_told_before_an_image_comes(store, part):
    """
    A folder that is gone stands for one that is read-only, which is none to the superuser of CI.
    """
    store.require_writable()
    assert list((store.folder / part).iterdir()) == []
    (store.folder / part).rmdir()

    with pytest.raises(StorageUnavailable, match=f"{part} cannot be used"):
        store.require_writable()


def test_the_folder_of_what_was_acknowledged_is_the_nodes_own(store):
    """
    Made by the first command of another user it would be that user's, and nobody else's to read.
    """
    assert (store.folder / "acknowledged").is_dir()


def test_a_store_that_is_no_folder_is_told(tmp_path):
    """
    The message names the setting.
    """
    (tmp_path / "file").touch()

    with pytest.raises(StorageUnavailable, match=r"\[store\] folder"):
        Store(tmp_path / "file").prepare()


def test_file_and_name_are_on_disk_before_put_returns(store, monkeypatch):
    """
    The file is synchronised before it gets its name, and the folder after.
    """
    ds = chest_radiograph()
    path = incoming(store, ds)
    happened = []
    fsync, rename = os.fsync, Path.rename
    monkeypatch.setattr(
        os, "fsync", lambda fd: (happened.append(os.readlink(f"/proc/self/fd/{fd}")), fsync(fd))
    )
    monkeypatch.setattr(
        Path, "rename", lambda self, target: (happened.append("rename"), rename(self, target))[1]
    )

    kept = store.put(path, ds.SOPInstanceUID)

    assert happened == [str(path), "rename", str((store.folder / kept.file).parent)]


def test_what_aborted_transfers_left_is_swept(store):
    """
    Temporaries go; what is younger than the limit stays, it may still be written.
    """
    incoming(store, chest_radiograph())

    assert store.sweep_incoming(older_than_seconds=3600) == 0
    assert store.sweep_incoming() == 1


@pytest.mark.parametrize("action", ["sweep_incoming", "sweep_unfinished", "remove"])
def test_a_file_that_cannot_be_deleted_is_told(store, action):
    """
    It is an expected error, which ends neither half of the node.
    """
    (store.incoming / "folder").mkdir()  # no file: it cannot be unlinked
    (store.results.path / ".file").touch()  # no folder
    arguments = ("job", "incoming/folder") if action == "remove" else ()

    with pytest.raises(StorageUnavailable, match="cannot be used"):
        getattr(store, action)(*arguments)


def test_a_store_has_one_receiver(store):
    """
    A second one would sweep away what the first is writing.
    """
    with store.claim("receive"), pytest.raises(StorageUnavailable, match="another process"):
        Store(store.folder).claim("receive").__enter__()
    with store.claim("receive"), store.claim("work"):
        pass


def test_nothing_is_forgotten_while_an_image_is_taken(store):
    """
    Images are taken at the same time, but a job is forgotten or repeated alone, also among processes.
    """
    happened = []

    def forget() -> None:
        with Store(store.folder).changing():
            happened.append("forgotten")

    thread = threading.Thread(target=forget)
    with store.adding():
        with Store(store.folder).adding():
            thread.start()
            thread.join(0.1)
        happened.append("taken")
    thread.join()

    assert happened == ["taken", "forgotten"]


def test_others_cannot_read_the_store(store, tmp_path):
    """
    Images, results and queue are for the node's own user only, also in a folder that was there before.
    """
    before = tmp_path / "before"
    (before / "instances").mkdir(parents=True)
    (before / "queue.sqlite").touch()
    for path in (before, before / "instances", before / "queue.sqlite"):
        path.chmod(0o755)
    Store(before).prepare()
    prepare(before)
    parts = [store.folder, *(path for path in before.iterdir())]

    assert {path.name for path in parts} >= {"instances", "results", "incoming", "quarantine", "queue.sqlite"}
    assert {path.stat().st_mode & 0o077 for path in parts} == {0}


def test_what_is_removed_stays_away_after_a_power_cut(store, monkeypatch):
    """
    Each folder that lost a name is on disk before `remove` returns: else a deleted patient could come back.
    """
    ds = chest_radiograph()
    kept = store.put(incoming(store, ds), ds.SOPInstanceUID)
    store.results.write(kept.id, {"sr.dcm": b"x"})
    store.quarantine.keep_results(kept.id, {}, rules=[], violations=[])
    synced, fsync = [], os.fsync

    def watched(descriptor: int) -> None:
        folder = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        synced.append((folder.name, sorted(path.name for path in folder.iterdir())))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    store.remove(kept.id, kept.file)

    shard = Path(kept.file).parent.name
    assert synced == [("results", []), ("quarantine", []), (shard, [])]


def test_a_withdrawn_judgement_stays_withdrawn_after_a_power_cut(store, monkeypatch):
    """
    Else the image would be judged anew, though nobody wants that any more.
    """
    store.results.write("job", {"sr.dcm": b"x"})
    store.results.request_new_judgement("job")
    synced, fsync = [], os.fsync
    monkeypatch.setattr(
        os,
        "fsync",
        lambda fd: (synced.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}"))), fsync(fd)),
    )
    store.results.withdraw_new_judgement("job")
    store.results.withdraw_new_judgement("job")

    assert synced == ["job"]


def test_a_disk_on_which_no_image_fits_is_not_writable(store, monkeypatch):
    """
    Even where no watermark is set: an empty file can be made on a disk that is full.
    """
    store.require_writable()
    monkeypatch.setattr(Store, "free_bytes", lambda self: 10_000)

    with pytest.raises(StorageUnavailable, match=r"0\.01 MB are free in .*: no large image fits"):
        store.require_writable()
