"""Films of one patient are compared, and never those of two: with the real pipeline, store, database and worker."""

import json
import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from structlog.testing import capture_logs

from node.held_back import delete
from node.jobs import Ending, Entry, Job, Outcome
from node.judge.in_process import InProcess
from node.service.housekeeping import forget_measurements
from node.store.store import Store
from node.work.database import Database
from node.work.measurements import KEY_FILE, Measurements, read_key
from node.work.queue import Jobs, prepare
from node.work.worker import Worker
from sgseg_dicom.comparison.films import Moment
from sgseg_dicom.config import Config
from sgseg_dicom.errors import StorageUnavailable
from sgseg_dicom.records import Algorithm, ModelInput, Prediction
from tests.support.builders import chest_radiograph, write
from tests.support.comparing import REPEATABILITY
from tests.support.predictions import (
    ALGORITHM,
    IMAGE_LEFT,
    IMAGE_RIGHT,
    pipeline_of,
    prediction,
    spot,
    with_lungs,
)

PATIENT = {"PatientID": "A-17", "PatientName": "Doe^Jane", "PatientBirthDate": "19600401", "PatientSex": "F"}


class Growing:
    """A model that marks more in each image than in the one before."""

    def __init__(self, algorithm: Algorithm = ALGORITHM) -> None:
        self.algorithm = algorithm
        self._radius = 8.0

    def __call__(self, model_input: ModelInput) -> Prediction:
        self._radius += 6
        spots = (spot(*IMAGE_LEFT, self._radius), spot(*IMAGE_RIGHT, self._radius))
        return with_lungs(prediction(*spots, zones=["right middle", "left middle"]))


class Node:
    """A store with its queue and a worker."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.store.prepare()
        self.file = prepare(folder)
        self.jobs = Jobs(self.file)
        self.now = 1_000_000.0
        self.restart()

    def restart(self, algorithm: Algorithm = ALGORITHM, *, compare: bool = True) -> None:
        self.measurements = Measurements(
            Database(self.file), read_key(self.store.folder), clock=lambda: self.now
        )
        self.worker = Worker(
            store=self.store,
            judge=InProcess(pipeline_of(Growing(algorithm), repeatability=REPEATABILITY)),
            senders={},
            measurements=self.measurements if compare else None,
        )

    def receive(self, day: str, number: int = 0, **keywords: Any) -> Job:
        """Keep a film of *day* as the receiver does, each *number* in a study of its own."""
        study = f"1.2.3.{int(day)}.{number}"
        uids = {
            "StudyInstanceUID": study,
            "SeriesInstanceUID": f"{study}.1",
            "SOPInstanceUID": f"{study}.1.1",
        }
        dates = {"StudyDate": day, "AcquisitionDate": day, "AcquisitionTime": "101500"}
        dates |= {"SeriesDate": day, "ContentDate": day}
        ds = chest_radiograph(seed=number, **{**PATIENT, **dates, **uids, **keywords})
        kept = self.store.put(write(ds, self.store.incoming / "a.dcm"), ds.SOPInstanceUID)
        return Job(
            id=kept.id,
            sop_instance_uid=ds.SOPInstanceUID,
            file=kept.file,
            conflicting=kept.conflicting,
            peer="TESTER",
            received_at=0.0,
        )

    def judge(self, day: str, number: int = 0, **keywords: Any) -> list[str]:
        """Receive and judge a film; give what its report says of an earlier one."""
        return self.told(self.answer(self.receive(day, number, **keywords)))

    def answer(self, job: Job) -> Job:
        outcome: Outcome = self.worker.answer(job)
        assert outcome.ending is Ending.FINDING, outcome
        return job

    def told(self, job: Job) -> list[str]:
        folder = self.store.results.folder_of(job.id)
        assert folder is not None
        (report,) = folder.glob("text*.dcm")
        return [text for text in _texts(dcmread(report)) if "compared with" in text]

    def rows(self) -> list[Mapping[str, Any]]:
        with sqlite3.connect(self.file) as database:
            database.row_factory = sqlite3.Row
            return database.execute("SELECT * FROM measurements").fetchall()


@contextmanager
def patched_get(entry: Entry) -> Iterator[None]:
    """Let the queue know a job that no workflow has run."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Jobs, "get", lambda jobs, job_id: entry)
        yield


def _texts(item: Dataset) -> list[str]:
    own = [item.TextValue] if "TextValue" in item else []
    return own + [text for child in item.get("ContentSequence") or [] for text in _texts(child)]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "store")


def test_a_later_film_of_the_patient_is_compared_with_the_nearest_before(node):
    """Date, both lungs, and in which direction; the first film has no word of it."""
    assert node.judge("20240101") == []
    assert len(node.judge("20240201")) == 2

    right, left = node.judge("20240301", PatientName="Miller^Jane")
    assert right.startswith("Right lung, compared with the image of 2024-02-01: ")
    assert left.startswith("Left lung, compared with the image of 2024-02-01: ")
    assert "now: more" in right
    assert "now: more" in left


@pytest.mark.parametrize(
    "other",
    [
        {"PatientID": "A-18"},
        {"PatientBirthDate": "19610401"},
        {"PatientSex": "M"},
        {"IssuerOfPatientID": "OTHER HOSPITAL"},
        {"IssuerOfPatientIDQualifiersSequence": [Dataset()]},
    ],
    ids=[
        "equal names",
        "a reused ID, another birth date",
        "a reused ID, another sex",
        "two issuers",
        "2 UIDs",
    ],
)
def test_a_film_is_never_compared_with_another_patients(node, other):
    """Not even with one that has the same name, or the same identifier."""
    if "IssuerOfPatientIDQualifiersSequence" in other:
        other["IssuerOfPatientIDQualifiersSequence"][0].UniversalEntityID = "1.2.276.0.99"
    node.judge("20240101", **other)

    assert node.judge("20240201") == []


@pytest.mark.parametrize("doubtful", [{"PatientID": ""}, {"PatientBirthDate": ""}, {"PatientSex": ""}])
def test_two_films_of_nobody_are_not_of_one_patient(node, doubtful):
    """A blank identifier, or none of what tells two patients with the same one apart: nothing is even kept."""
    node.judge("20240101", **doubtful)

    assert node.judge("20240201", **doubtful) == []
    assert node.rows() == []


def test_a_film_is_not_its_own_earlier_one(node):
    """Sent twice, deleted and sent again, or with a second film in its study."""
    first = node.receive("20240101")
    node.answer(first)
    node.answer(first)
    node.store.remove(first.id, first.file)

    assert node.judge("20240101") == []
    study = {"StudyInstanceUID": "1.2.3.20240101.0", "AcquisitionTime": "111500"}
    assert node.judge("20240101", 7, **study) == []


def test_a_film_that_comes_late_is_not_compared_with_a_later_one(node):
    """The order of the films counts, not that in which they arrive."""
    node.judge("20240301")

    assert node.judge("20240101") == []
    assert "2024-03-01" in node.judge("20240401")[0]


def test_films_of_one_day_need_their_times(node):
    """Without them nobody knows which was first."""
    node.judge("20240101", 1, AcquisitionTime="080000")
    node.judge("20240101", 2, AcquisitionTime="")

    assert "2024-01-01 08:00" in node.judge("20240101", 3, AcquisitionTime="090000")[0]
    assert node.judge("20240101", 4, AcquisitionTime="") == []


def test_other_weights_are_not_compared(node):
    """A difference between two models is none of the patient."""
    node.judge("20240101")
    node.restart(replace(ALGORITHM, weights_digest="ff" * 32))

    assert node.judge("20240201") == []


def test_a_retry_says_the_same_whatever_came_in_between(node, monkeypatch):
    """What a job is compared with is decided once: a crash before its results are on disk changes nothing."""
    node.judge("20240101")
    late, second = node.receive("20240115"), node.receive("20240201")

    def full(*arguments: Any) -> None:
        raise StorageUnavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(node.store.results, "keep", full)
        assert node.worker.answer(second, last=False).again
    node.restart()
    node.answer(late)

    assert "2024-01-01" in node.told(node.answer(second))[0]


def test_a_film_that_is_judged_anew_is_compared_anew(node):
    """With what lies there by then; the objects have other UIDs, for they say other things."""
    second = node.answer(node.receive("20240201"))
    assert node.told(second) == []
    node.judge("20240101")

    node.store.results.request_new_judgement(second.id)
    node.jobs.again(second)
    node.restart()

    assert "2024-01-01" in node.told(node.answer(second))[0]


def test_with_compare_off_nothing_is_compared_and_nothing_kept(node):
    """[report] compare = false."""
    node.judge("20240101")
    node.restart(compare=False)

    assert node.judge("20240201") == []
    assert len(node.rows()) == 1


def test_no_patients_data_are_kept_or_logged(node):
    """A row has a hash under a key that only the node's own user reads; without it nobody can guess it."""
    with capture_logs() as logs:
        node.judge("20240101")
        node.judge("20240201")

    stored = node.file.read_bytes() + node.file.with_name("queue.sqlite-wal").read_bytes()
    for value in ("A-17", "Doe", "19600401"):
        assert value.encode() not in stored
        assert value not in str(logs)
    key = node.store.folder / KEY_FILE
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len({row["patient"] for row in node.rows()}) == 1
    os.unlink(key)
    node.restart()
    assert node.judge("20240301") == []


def test_what_was_measured_outlives_the_image_and_then_goes(node):
    """[store] keep_measurements_days; 0 keeps it for ever."""
    job = node.answer(node.receive("20240101"))
    node.store.remove(job.id, job.file)
    later = datetime.fromtimestamp(node.now, UTC) + timedelta(days=364)
    assert forget_measurements(node.measurements, 365, now=later) == 0
    assert len(node.judge("20240201")) == 2

    much_later = later + timedelta(days=2)
    assert forget_measurements(node.measurements, 0, now=much_later) == 0
    assert forget_measurements(node.measurements, 365, now=much_later) == 2
    assert node.judge("20240301") == []


def test_with_an_image_that_a_person_deletes_goes_what_was_measured_on_it(node):
    """`sgseg-node delete`: an image of the wrong patient must not be compared with any more."""
    settings = Config.internal(store={"folder": str(node.store.folder)}, audit={"enabled": False})
    first = node.answer(node.receive("20240101"))
    entry = Entry(job=first, state="finding", outcome=node.store.results.outcome_of(first.id))

    with patched_get(entry):
        assert list(delete(settings, [entry])) == [entry]

    assert node.rows() == []
    assert node.judge("20240201") == []


def test_a_picture_may_draw_all_films_of_the_line(node):
    """At most the newest eight, the oldest first."""
    for month in range(1, 11):
        node.judge(f"2024{month:02}01")
    job = node.receive("20241201")
    node.answer(job)

    with sqlite3.connect(node.file) as database:
        (row,) = database.execute("SELECT earlier FROM comparisons WHERE job = ?", (job.id,))
    taken = [Moment(*film[:2]).date for film in json.loads(row[0])]
    assert taken == [f"2024{month:02}01" for month in range(3, 11)]
