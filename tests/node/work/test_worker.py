"""Every way in which an image can end has its word, and nothing is raised."""

import itertools
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread

from node.delivery.dimse import DimseSender
from node.failures import ImageTooSlow, OutOfMemory, ProcessDied
from node.jobs import Ending, Job, Outcome, Sent
from node.judge.in_process import InProcess
from node.judge.judged import judged
from node.store.store import Store
from node.work.outcomes import require_same_summary
from node.work.worker import Worker
from sgseg_dicom.errors import (
    InferenceError,
    InvalidResult,
    NotApplicable,
    StorageUnavailable,
    UndecodablePixels,
)
from sgseg_dicom.records import Results
from sgseg_dicom.refusal_reasons import RefusalReason
from sgseg_dicom.result_kinds import Kind
from tests.node.stand_in import StandIn, results_of
from tests.support.builders import chest_radiograph, write


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.prepare()
    return store


def job_for(store: Store, **keywords: Any) -> Job:
    """Keep an image as the receiver does."""
    ds = chest_radiograph(**keywords)
    kept = store.put(write(ds, store.incoming / "a.dcm"), ds.SOPInstanceUID)
    return Job(
        id=kept.id,
        sop_instance_uid=ds.SOPInstanceUID,
        file=kept.file,
        conflicting=kept.conflicting,
        peer="TESTER",
        received_at=0.0,
    )


def worker(store: Store, process: Callable[..., Any], *senders: DimseSender) -> Worker:
    return Worker(store=store, judge=InProcess(process), senders={c.destination.name: c for c in senders})


class Failing(StandIn):
    """A pipeline that fails in one way at every image."""

    def __init__(self, folder: Path, error: Exception) -> None:
        super().__init__(folder)
        self._error = error

    def __call__(self, path: Path, **options: Any) -> Results:
        raise self._error


def test_a_finding_is_kept_as_a_seg_and_an_sr(store, tmp_path):
    """
    The results folder of the image has both objects and the outcome.
    """
    job = job_for(store)
    outcome = worker(store, StandIn(tmp_path)).answer(job)

    folder = store.results.folder_of(job.id)
    assert (outcome.ending, outcome.files) == (Ending.FINDING, ("seg.dcm", "sr.dcm"))
    assert [dcmread(folder / name).Modality for name in outcome.files] == ["SEG", "SR"]
    assert set(outcome.seconds) == {"read", "infer", "encode", "keep"}


def test_no_finding_is_an_answer_too(store, tmp_path):
    """
    An image without infection has a report and no SEG.
    """
    outcome = worker(store, StandIn(tmp_path)).answer(job_for(store, ImageComments="clear"))

    assert (outcome.ending, outcome.files) == (Ending.NO_FINDING, ("sr.dcm",))


@pytest.mark.parametrize(
    ("error", "ending", "reason", "again"),
    [
        (UndecodablePixels("cut off"), Ending.REJECTED, "UndecodablePixels", False),
        (
            NotApplicable("a lateral view", reason=RefusalReason.LATERAL_VIEW),
            Ending.REJECTED,
            "lateral-view",
            False,
        ),
        (InvalidResult("the text does not read back"), Ending.FAILED, "InvalidResult", False),
        (InferenceError("out of memory"), Ending.FAILED, "InferenceError", True),
        (StorageUnavailable("full"), Ending.FAILED, "StorageUnavailable", True),
        (ZeroDivisionError("our defect"), Ending.FAILED, "ZeroDivisionError", False),
    ],
)
def test_an_error_decides_the_ending(store, tmp_path, archive, error, ending, reason, again):
    """
    The image's fault is a rejection, ours a failure; the surroundings' fault is worth another attempt.
    """
    work = worker(store, Failing(tmp_path, error), sender_to(archive))
    outcome = work.answer(job_for(store), last=False)

    assert (outcome.ending, outcome.reason, outcome.again) == (ending, reason, again)
    assert outcome.files == ()


def test_a_defect_tells_where_and_not_whom(store, tmp_path, capsys):
    """
    The message of an unexpected error may quote the patient: it goes neither to the log nor to the status.
    """
    outcome = worker(store, Failing(tmp_path, KeyError("Doe^Jane"))).answer(job_for(store))

    assert "Doe" not in str(outcome) + "".join(capsys.readouterr())
    assert outcome.reason == "KeyError"


def test_an_image_whose_uid_is_taken_is_quarantined(store, tmp_path):
    """
    It is not judged, and the status says where it lies.
    """
    job_for(store)
    job = job_for(store, PatientID="OTHER")
    outcome = worker(store, StandIn(tmp_path)).answer(job)

    assert (outcome.ending, outcome.reason) == (Ending.QUARANTINED, "ConflictingInstance")
    assert job.file in outcome.detail
    assert StandIn(tmp_path).begun() == []


def test_kept_results_are_not_made_again(store, tmp_path):
    """
    A worker that died after keeping and before saying so has done its work.
    """
    job = job_for(store)
    first = worker(store, StandIn(tmp_path)).answer(job)
    content = {name: (store.results.folder_of(job.id) / name).read_bytes() for name in first.files}
    second = worker(store, Failing(tmp_path, AssertionError("not again"))).answer(job)

    assert (second.ending, second.files) == (first.ending, first.files)
    assert content == {name: (store.results.folder_of(job.id) / name).read_bytes() for name in second.files}


def test_judged_anew_the_destinations_of_now_get_what_they_want(store, tmp_path, archive):
    """
    A destination that was added since has its results; an object that another one already has stays as it was.
    """
    job = job_for(store)
    worker(store, StandIn(tmp_path), sender_to(archive)).answer(job)
    sr = store.results.folder_of(job.id) / "sr.dcm"
    kept = dcmread(sr)
    kept.ContentDate = "19991231"
    kept.save_as(sr)
    before = sr.read_bytes()
    added = sender_to(archive, name="added", results=(Kind.SR,))
    work = worker(store, StandIn(tmp_path), sender_to(archive), added)

    assert work.answer(job).destinations == ("archive",)
    store.results.request_new_judgement(job.id)
    outcome = work.answer(job)

    assert outcome.sends == {"archive": ("seg.dcm", "sr.dcm"), "added": ("sr.dcm",)}
    assert sr.read_bytes() == before
    assert work.deliveries.deliver(job.id, "added", first=True).state is Sent.DELIVERED


def test_judged_anew_by_other_weights_the_results_are_other_ones(store, tmp_path):
    """
    Other weights, other UIDs: nothing of the old results is kept.
    """
    job = job_for(store)
    worker(store, StandIn(tmp_path)).answer(job)
    sr = store.results.folder_of(job.id) / "sr.dcm"
    kept = dcmread(sr)
    kept.file_meta.MediaStorageSOPInstanceUID = kept.SOPInstanceUID = "2.25.1"
    kept.save_as(sr)

    store.results.request_new_judgement(job.id)
    worker(store, StandIn(tmp_path)).answer(job)

    assert dcmread(sr).SOPInstanceUID != "2.25.1"


class Otherwise(StandIn):
    """Finds a region in every image."""

    def __call__(self, path: Path, **options: Any) -> Results:
        source = dcmread(path, stop_before_pixels=True)
        source.ImageComments = ""
        return results_of(source, options["wanted"])


def test_an_answer_that_contradicts_what_was_sent_is_not_sent(store, tmp_path, archive):
    """
    Judged anew on another device, the image has a region; the SR that says "nothing" was sent under the same UID.
    """
    job = job_for(store, ImageComments="clear")
    sender = sender_to(archive, not_judged=True)
    assert worker(store, StandIn(tmp_path), sender).answer(job).ending is Ending.NO_FINDING
    before = (store.results.folder_of(job.id) / "sr.dcm").read_bytes()

    store.results.request_new_judgement(job.id)
    outcome = worker(store, Otherwise(tmp_path), sender).answer(job)

    assert (outcome.ending, outcome.reason, outcome.files) == (Ending.FAILED, "AnotherAnswer", ())
    assert "another result than before" in outcome.detail
    assert [path.name for path in sorted((store.quarantine.path / job.id).iterdir())] == [
        "seg.dcm",
        "sr.dcm",
        "why.json",
    ]
    again = worker(store, Failing(tmp_path, AssertionError("not again")), sender).answer(job)
    assert (again.ending, again.files) == (Ending.NO_FINDING, ("sr.dcm",))
    assert store.quarantine.count_results() == 0  # somebody has compared them, and sends what was kept
    assert (store.results.folder_of(job.id) / "sr.dcm").read_bytes() == before


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NotApplicable("mirrored", reason=RefusalReason.MIRRORED), "AnotherAnswer"),
        (InferenceError("the device failed"), "InferenceError"),
        (InvalidResult("wrong", rules=("rule",)), "InvalidResult"),
    ],
)
@pytest.mark.parametrize("with_archive", [True, False])
def test_not_judged_is_never_said_beside_results(store, tmp_path, archive, error, reason, with_archive):
    """
    Judged anew, an image is refused or fails: the finding that was sent stays kept, no answer contradicts it.
    """
    job = job_for(store)
    senders = [sender_to(archive, not_judged=True)] if with_archive else []
    first = worker(store, StandIn(tmp_path), *senders).answer(job)
    content = {path.name: path.read_bytes() for path in store.results.folder_of(job.id).iterdir()}

    store.results.request_new_judgement(job.id)
    outcome = worker(store, Failing(tmp_path, error), *senders).answer(job, last=True)

    assert (outcome.ending, outcome.reason, outcome.files) == (Ending.FAILED, reason, ())
    assert "nothing new is sent" in outcome.detail
    assert {path.name: path.read_bytes() for path in store.results.folder_of(job.id).iterdir()} == content
    again = worker(store, Failing(tmp_path, AssertionError("not again")), *senders).answer(job)
    assert (again.ending, again.files) == (first.ending, first.files)


@pytest.mark.parametrize("other", ["weights", "pixels"])
def test_other_weights_or_a_few_pixels_are_no_other_answer(store, tmp_path, other):
    """
    Other weights' results are other objects; a pixel more or less says the same.
    """
    job = job_for(store)
    assert worker(store, StandIn(tmp_path)).answer(job).answer.endswith(" AAPAAA R")
    results = results_of(dcmread(store.folder / job.file, stop_before_pixels=True))
    if other == "weights":
        results.files["seg.dcm"].dataset.DeviceSerialNumber = "other"
        results = replace(results, finding=replace(results.finding, regions=(), zones=(True, *[False] * 5)))
    else:
        region = replace(results.finding.regions[0], mask=np.eye(2, dtype=bool))
        results = replace(results, finding=replace(results.finding, regions=(region,)))

    require_same_summary(_outcome(store, job).answer, judged(results))


def _outcome(store, job):
    return Outcome.from_dict(json.loads((store.results.folder_of(job.id) / "outcome.json").read_text()))


def test_an_outcome_survives_the_way_through_json():
    """
    What the queue records is what comes back.
    """
    outcome = Outcome(
        ending=Ending.FINDING,
        files=("a", "b"),
        destinations=("archive",),
        sends={"archive": ("b",)},
        seconds={"read": 0.5},
    )

    assert Outcome.from_dict(json.loads(json.dumps(asdict(outcome)))) == outcome


def test_an_outcome_of_version_0_1_0_sends_every_file_to_every_destination():
    """
    It knew no forms; what it left in queue and results folder is delivered as it was meant.
    """
    old = {
        "ending": "finding",
        "files": ["seg.dcm", "sr.dcm"],
        "destinations": ["one", "two"],
        "again": False,
    }

    assert Outcome.from_dict(old).sends == dict.fromkeys(["one", "two"], ("seg.dcm", "sr.dcm"))


def sender_to(archive, **wanted: Any) -> DimseSender:
    destination = archive.destination.model_copy(update=wanted)
    return DimseSender(destination, calling_ae_title="SGSEG", connect_seconds=2.0, answer_seconds=5.0)


def test_results_that_version_0_1_0_kept_are_delivered(store, tmp_path, archive):
    """
    A requeue after an upgrade finds an outcome.json without the files of each destination.
    """
    job = job_for(store)
    work = worker(store, StandIn(tmp_path), sender_to(archive))
    work.answer(job)
    file = store.results.folder_of(job.id) / "outcome.json"
    file.write_text(json.dumps({k: v for k, v in json.loads(file.read_text()).items() if k != "sends"}))

    again = worker(store, Failing(tmp_path, AssertionError("not again")), sender_to(archive)).answer(job)

    assert again.destinations == ("archive",)
    assert work.deliveries.deliver(job.id, "archive", first=True).state is Sent.DELIVERED
    assert len(archive.got) == 2


def test_each_destination_gets_what_it_wants_and_all_is_kept(store, tmp_path, archive):
    """
    The outcome says who gets which file, the SEG first; a delivery sends these and no other.
    """
    report_only = sender_to(archive, name="reports", results=(Kind.SR,))
    work = worker(store, StandIn(tmp_path), sender_to(archive), report_only)
    job = job_for(store)
    outcome = work.answer(job)

    work.deliveries.deliver(job.id, "reports", first=True)

    assert outcome.sends == {"archive": ("seg.dcm", "sr.dcm"), "reports": ("sr.dcm",)}
    assert outcome.destinations == ("archive", "reports")
    assert archive.uids() == [str(dcmread(store.results.folder_of(job.id) / "sr.dcm").SOPInstanceUID)]


def test_a_destination_without_a_file_is_none(store, tmp_path, archive):
    """
    Nothing is found and only the mask is wanted: there is no delivery to wait for.
    """
    work = worker(store, StandIn(tmp_path), sender_to(archive, results=(Kind.SEG,)))
    outcome = work.answer(job_for(store, ImageComments="clear"))

    assert (outcome.ending, outcome.destinations) == (Ending.NO_FINDING, ())


LATERAL = NotApplicable("a lateral view", reason=RefusalReason.LATERAL_VIEW)


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (LATERAL, Ending.REJECTED),
        (UndecodablePixels("cut off"), Ending.REJECTED),
        (InferenceError("out of memory"), Ending.FAILED),
        (ZeroDivisionError("our defect"), Ending.FAILED),
    ],
)
def test_an_image_that_was_not_judged_has_an_answer_for_those_who_want_it(
    store, tmp_path, archive, error, ending
):
    """
    Not applicable or failed for good: the ending stays, and the answer goes where not_judged = true, nowhere else.
    """
    told = sender_to(archive, name="told", not_judged=True)
    work = worker(store, Failing(tmp_path, error), sender_to(archive), told)
    job = job_for(store)
    outcome = work.answer(job, last=True)

    assert (outcome.ending, outcome.files) == (ending, ("answer.dcm",))
    assert outcome.sends == {"told": ("answer.dcm",)}
    assert outcome.destinations == ("told",)
    assert work.deliveries.deliver(job.id, "told", first=True).state is Sent.DELIVERED


def test_without_a_destination_the_answer_stays_in_the_results_folder(store, tmp_path):
    """
    As the results of other images do.
    """
    job = job_for(store)
    outcome = worker(store, Failing(tmp_path, LATERAL)).answer(job)

    assert (outcome.files, outcome.destinations) == (("answer.dcm",), ())
    assert dcmread(store.results.folder_of(job.id) / "answer.dcm").SeriesDescription == "NotApplicable"


def test_an_answer_is_the_same_object_however_often_it_is_asked_for(store, tmp_path):
    """
    Requeued, the image has the same answer under the same UID: not one byte differs.
    """
    job, work = job_for(store), worker(store, Failing(tmp_path, LATERAL))
    work.answer(job)
    first = (store.results.folder_of(job.id) / "answer.dcm").read_bytes()
    work.answer(job)

    assert (store.results.folder_of(job.id) / "answer.dcm").read_bytes() == first


def test_where_no_destination_wants_it_there_is_no_answer(store, tmp_path, archive):
    """
    An image that was not judged leaves its reason in the status, and no object.
    """
    job = job_for(store)
    outcome = worker(store, Failing(tmp_path, LATERAL), sender_to(archive)).answer(job)

    assert (outcome.files, outcome.destinations, store.results.folder_of(job.id)) == ((), (), None)


def test_a_failure_that_is_tried_again_is_no_answer_yet(store, tmp_path):
    """
    "Failed" is said once, after the last attempt.
    """
    job = job_for(store)
    work = worker(store, Failing(tmp_path, InferenceError("out of memory")))

    assert work.answer(job, last=False).files == ()
    assert work.answer(job, last=True).files == ("answer.dcm",)


def test_an_image_that_is_judged_after_all_loses_its_answer(store, tmp_path):
    """
    A requeue does not repeat "not judged": it judges, and the results take the answer's place.
    """
    job = job_for(store)
    worker(store, Failing(tmp_path, InferenceError("out of memory"))).answer(job)
    outcome = worker(store, StandIn(tmp_path)).answer(job)

    kept = {path.name for path in store.results.folder_of(job.id).iterdir()}
    assert outcome.ending is Ending.FINDING
    assert kept == {"seg.dcm", "sr.dcm", "outcome.json"}


def test_an_answer_that_cannot_be_made_wants_a_look(store, tmp_path):
    """
    The header is too poor to carry a report: what was promised goes to nobody, so a person must hear of it.
    """
    outcome = worker(store, StandIn(tmp_path)).answer(job_for(store, ImageComments="unanswerable"))

    assert (outcome.ending, outcome.reason, outcome.files) == (Ending.FAILED, "lateral-view", ())
    assert "No report of this is sent" in outcome.detail
    assert "StudyInstanceUID is missing" in outcome.detail


def test_an_image_whose_uid_is_taken_gets_no_answer(store, tmp_path):
    """
    An answer would refer to the UID, and so speak of the image that is kept under it.
    """
    job_for(store)
    outcome = worker(store, StandIn(tmp_path)).answer(job_for(store, PatientID="OTHER"))

    assert (outcome.ending, outcome.files) == (Ending.QUARANTINED, ())


@pytest.mark.parametrize("error", [ImageTooSlow("60 s"), OutOfMemory("4 GB"), ProcessDied("SIGSEGV")])
def test_an_image_that_ends_its_process_again_and_again_is_quarantined_and_answered(store, tmp_path, error):
    """
    Before the last attempt it is tried again. Then a report says that it was not judged, and `requeue` tries it.
    """
    job = job_for(store)
    work = worker(store, Failing(tmp_path, error))
    before, end = work.answer(job, last=False), work.answer(job, last=True)

    assert (before.ending, before.again, before.files) == (Ending.FAILED, True, ())
    assert (end.ending, end.again, end.files) == (Ending.QUARANTINED, False, ("answer.dcm",))
    assert end.reason == type(error).__name__
    assert "sgseg-node requeue" in end.detail


def wrong_side(store: Store, job: Job) -> InvalidResult:
    files = results_of(dcmread(store.folder / job.file)).files
    objects = {name: one.dataset for name, one in files.items()}
    return InvalidResult("seg: PixelData must ...", rules=("mask-side",), objects=objects)


def test_objects_that_fail_their_check_are_quarantined(store, tmp_path):
    """
    A person can look at them, and read which rule is broken; they are in no results folder.
    """
    job = job_for(store)
    outcome = worker(store, Failing(tmp_path, wrong_side(store, job))).answer(job)

    aside = store.folder / "quarantine" / job.id
    assert {path.name for path in aside.iterdir()} == {"seg.dcm", "sr.dcm", "why.json"}
    why = json.loads((aside / "why.json").read_bytes())
    assert why == {"rules": ["mask-side"], "violations": ["seg: PixelData must ..."]}
    assert (outcome.ending, outcome.reason) == (Ending.FAILED, "InvalidResult")
    assert "mask-side" in outcome.detail
    assert str(aside) in outcome.detail
    assert outcome.files == ("answer.dcm",)


def test_objects_that_fail_their_check_are_never_sent(store, tmp_path, archive):
    """
    A destination that wants no coded answers gets nothing at all.
    """
    job = job_for(store)
    work = worker(store, Failing(tmp_path, wrong_side(store, job)), sender_to(archive))
    outcome = work.answer(job)

    assert (outcome.files, outcome.destinations) == ((), ())
    assert work.deliveries.deliver(job.id, "archive", first=True).state is Sent.REFUSED
    assert archive.got == []


def test_after_an_update_good_results_take_the_place_of_quarantined_ones(store, tmp_path):
    """
    The same job, answered again by better software, ends with results and an empty quarantine.
    """
    job = job_for(store)
    worker(store, Failing(tmp_path, wrong_side(store, job))).answer(job)
    assert store.quarantine.count_results() == 1
    outcome = worker(store, StandIn(tmp_path)).answer(job)

    assert outcome.ending is Ending.FINDING
    assert store.quarantine.count_results() == 0
    assert {path.name for path in store.results.folder_of(job.id).iterdir()} >= {"seg.dcm", "sr.dcm"}


def test_a_later_refusal_clears_the_quarantine(store, tmp_path):
    """
    What an earlier attempt set aside is no longer how the image ended.
    """
    job = job_for(store)
    worker(store, Failing(tmp_path, wrong_side(store, job))).answer(job)
    worker(store, Failing(tmp_path, LATERAL)).answer(job)

    assert store.quarantine.count_results() == 0


@pytest.mark.parametrize(
    ("status", "state"), [(0x0000, Sent.DELIVERED), (0xA700, Sent.WAITING), (0x0110, Sent.REFUSED)]
)
def test_a_destinations_answer_decides_the_delivery(store, tmp_path, archive, status, state):
    """
    Delivered, tried again later, or a matter for a person.
    """
    work = worker(store, StandIn(tmp_path), sender_to(archive))
    job = job_for(store)
    work.answer(job)
    archive.answers = lambda count: status

    sent = work.deliveries.deliver(job.id, "archive", first=True)

    assert sent.state is state
    assert bool(sent.detail) == (state is not Sent.DELIVERED)


def test_a_failure_counts_where_the_destination_took_others_since_the_attempt_before(
    store, tmp_path, archive
):
    """
    Counted, and not compared by the clock: the clock of this worker goes backwards.
    """
    moments = itertools.count(1000.0, -100.0)
    senders = {"archive": sender_to(archive)}
    work = Worker(
        store=store, judge=InProcess(StandIn(tmp_path)), senders=senders, clock=lambda: next(moments)
    )
    jobs = [job_for(store, seed=seed) for seed in range(2)]
    for job in jobs:
        work.answer(job)
    archive.answers = lambda count: 0x0000 if count in (3, 4) else 0xA700

    sent = [
        work.deliveries.deliver(jobs[number].id, "archive", first=first)
        for number, first in ((0, True), (0, False), (1, True), (0, False), (0, False))
    ]

    assert [one.took_others for one in sent] == [False, False, False, True, False]
    assert [one.state for one in sent] == [Sent.WAITING] * 2 + [Sent.DELIVERED] + [Sent.WAITING] * 2


def test_a_destination_that_left_the_settings_is_a_refusal(store, tmp_path):
    """
    A job remembers where it shall go; if that is no longer configured, the message says so.
    """
    sent = worker(store, StandIn(tmp_path)).deliveries.deliver("job", "archive", first=False)

    assert sent.state is Sent.REFUSED
    assert "[[destination]]" in sent.detail


def test_a_defect_in_a_delivery_does_not_stop_the_queue(store, tmp_path, archive):
    """
    Whatever goes wrong becomes a state.
    """
    job = job_for(store)
    work = worker(store, StandIn(tmp_path), sender_to(archive))
    work.answer(job)
    (store.results.folder_of(job.id) / "seg.dcm").write_bytes(b"overwritten by somebody")

    assert work.deliveries.deliver(job.id, "archive", first=True).state is Sent.FAILED


def test_the_sr_of_the_stand_in_is_a_report():
    """
    The stand-in gives what the worker expects of the pipeline.
    """
    assert [ds.Modality for ds in results_of(chest_radiograph()).objects] == ["SEG", "SR"]


class Unmarked(StandIn):
    """A pipeline that names a zone, and marks nothing."""

    def __call__(self, path: Path, **options: Any) -> Results:
        results = results_of(dcmread(path, stop_before_pixels=True), options["wanted"])
        return replace(results, finding=replace(results.finding, regions=()))


def test_a_zone_without_a_mark_is_a_finding(store, tmp_path):
    """
    Status and log say what the report says.
    """
    outcome = worker(store, Unmarked(tmp_path)).answer(job_for(store))

    assert outcome.ending is Ending.FINDING
