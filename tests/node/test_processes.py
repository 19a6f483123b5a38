"""The halves as real processes: what a kill -9 costs at each step, and what comes out in the end."""

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import BytesIO

import psutil
import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from node.operations import acknowledge, needing_attention, requeue
from node.service.housekeeping import delete_old
from node.service.supervisor import CANNOT_START
from node.store.acknowledgements import Acknowledged
from node.store.store import open_store
from node.work.queue import open_jobs
from tests.node.processes import (
    RECEIVE,
    ROOT,
    STAND_IN,
    STAND_IN_PROCESSES,
    begun,
    entry_of,
    half,
    receive_here,
    send,
    settled,
    wait_for,
)


def test_an_image_goes_all_the_way(node):
    """
    Received, judged, delivered; the status says so.
    """
    entry = node.settled(node.send())

    assert (entry.state, entry.job.peer) == ("finding", "TESTER")
    assert [sent.state for sent in entry.deliveries] == ["delivered"]
    assert len(node.archive.got) == 2


def test_a_destination_that_wants_it_hears_of_an_image_that_is_not_judged(configure, archive, tmp_path):
    """
    Not applicable: at once. Failed: after the last attempt, once. The ending stays, and it is delivered.
    """
    told = archive.destination.model_copy(update={"not_judged": True})
    config = configure(destination=[told.model_dump()], queue={"attempts": 2})
    lateral = receive_here(config, ImageComments="lateral")
    failing = receive_here(config, seed=1, ImageComments="broken device")
    with half(STAND_IN, config, tmp_path):
        entries = settled(config, lateral, failing)

    assert [entry.state for entry in entries] == ["rejected", "failed"]
    assert [sent.state for entry in entries for sent in entry.deliveries] == ["delivered", "delivered"]
    assert begun(tmp_path).count(failing) == 2
    reports = [dcmread(BytesIO(content)) for content in archive.got]
    assert {report.SeriesDescription for report in reports} == {"NotApplicable", "InferenceError"}


def test_a_failed_image_that_goes_well_later_is_judged_and_delivered(configure, archive, tmp_path):
    """
    The answer "failed" is no last word: a requeue brings the results.
    """
    told = archive.destination.model_copy(update={"not_judged": True})
    config = configure(destination=[told.model_dump()], queue={"attempts": 1})
    uid = receive_here(config, ImageComments="broken device")
    with half(STAND_IN, config, tmp_path):
        settled(config, uid)
        (tmp_path / "go").touch()
        assert list(requeue(config, [uid], failed=False))
        wait_for(lambda: len(archive.got) == 3, what="the results after the answer")
        (entry,) = settled(config, uid)

    assert (entry.state, entry.outcome.files) == ("finding", ("seg.dcm", "sr.dcm"))


def test_a_worker_killed_in_mid_inference_is_made_good_once(configure, archive, tmp_path):
    """
    kill -9, restart: the image is processed, delivered once, and both objects are at the destination.
    """
    config = configure(archive)
    uid = receive_here(config, ImageComments="slow")
    with half(STAND_IN_PROCESSES, config, tmp_path) as worker:
        wait_for(lambda: (tmp_path / "inside").exists(), what="inference")
        worker.kill()
    (tmp_path / "go").touch()
    with half(STAND_IN_PROCESSES, config, tmp_path):
        (entry,) = settled(config, uid)

    assert begun(tmp_path) == [uid, uid]
    assert (entry.state, [sent.state for sent in entry.deliveries]) == ("finding", ["delivered"])
    assert len(archive.got) == len(set(archive.uids())) == 2


def test_a_worker_killed_in_a_delivery_sends_the_kept_bytes_again(configure, archive, tmp_path):
    """
    The image is not judged again; the destination gets the same objects under the same UIDs.
    """
    config = configure(archive)
    over = threading.Event()
    archive.answers = lambda count: int(not over.wait(60))
    uid = receive_here(config)
    with half(STAND_IN, config, tmp_path) as worker:
        wait_for(lambda: archive.got, what="the first object")
        worker.kill()
    over.set()
    with half(STAND_IN, config, tmp_path):
        (entry,) = settled(config, uid)

    assert begun(tmp_path) == [uid]
    assert [sent.state for sent in entry.deliveries] == ["delivered"]
    assert len(archive.got) > 2
    assert len(set(archive.got)) == len(set(archive.uids())) == 2


@pytest.mark.parametrize("poison", ["deadly", "hanging"])
def test_an_image_that_ends_its_process_is_quarantined_and_answered(configure, archive, tmp_path, poison):
    """
    After [queue] max_restarts ends it is left alone, and answered. The images beside it are judged.
    """
    told = archive.destination.model_copy(update={"not_judged": True})
    queue = {"max_restarts": 2, "image_seconds": 2.0, "retry_seconds": 0.1}
    config = configure(destination=[told.model_dump()], queue=queue)
    bad = receive_here(config, ImageComments=poison)
    good = [receive_here(config, seed=seed) for seed in range(1, 5)]
    with half(STAND_IN_PROCESSES, config, tmp_path) as worker:
        entries = settled(config, bad, *good)

    assert [entry.state for entry in entries] == ["quarantined"] + ["finding"] * 4
    assert begun(tmp_path).count(bad) == 2
    assert [sent.state for sent in entries[0].deliveries] == ["delivered"]
    assert len(worker.events("judge_replaced")) == 2


def test_an_image_that_hangs_holds_up_nobody(configure, tmp_path):
    """
    The images behind it are judged by the other process, while it hangs.
    """
    config = configure(queue={"image_seconds": 600.0})
    bad = receive_here(config, ImageComments="hanging")
    good = [receive_here(config, seed=seed) for seed in range(1, 5)]
    with half(STAND_IN_PROCESSES, config, tmp_path):
        entries = settled(config, *good)
        assert entry_of(config, bad).state == "working"

    assert [entry.state for entry in entries] == ["finding"] * 4
    assert begun(tmp_path).count(bad) == 1


def test_what_is_quarantined_is_tried_again_when_somebody_asks(configure, tmp_path):
    """
    After an update of the software, say.
    """
    config = configure(queue={"max_restarts": 1})
    bad = receive_here(config, ImageComments="deadly")
    with half(STAND_IN_PROCESSES, config, tmp_path):
        settled(config, bad)
        assert list(requeue(config, [bad], failed=False))
        wait_for(lambda: begun(tmp_path).count(bad) == 2, what="another attempt")


def test_a_report_that_ends_its_process_too_is_not_made(configure, tmp_path):
    """
    Reading the header is enough to crash: the image fails without an answer, and a person must look.
    """
    config = configure(queue={"max_restarts": 1})
    bad = receive_here(config, ImageComments="deadly header")
    with half(STAND_IN_PROCESSES, config, tmp_path):
        (entry,) = settled(config, bad)

    assert (entry.state, entry.outcome.reason, entry.outcome.files) == ("failed", "ProcessDied", ())


def test_a_worker_that_dies_often_fails_no_image(configure, tmp_path):
    """
    No image can kill the worker, so its deaths are not counted against those that were in work.
    """
    config = configure(queue={"max_restarts": 1})
    uids = [receive_here(config, seed=seed, ImageComments="slow") for seed in range(2)]
    for _ in range(3):
        with half(STAND_IN_PROCESSES, config, tmp_path) as worker:
            wait_for(lambda: (tmp_path / "inside").exists(), what="inference")
            worker.kill()
        (tmp_path / "inside").unlink()
    (tmp_path / "go").touch()
    with half(STAND_IN_PROCESSES, config, tmp_path):
        entries = settled(config, *uids)

    assert [entry.state for entry in entries] == ["finding", "finding"]


def test_a_receiver_killed_after_its_answer_has_lost_nothing(configure, tmp_path):
    """
    SUCCESS is a promise: image and job survive a kill -9 right after it, and wait for a worker to come.
    """
    config = configure()
    with half(RECEIVE, config, tmp_path) as receiver:
        uids = [send(receiver, tmp_path, seed=seed) for seed in range(3)]
        receiver.kill()
    with half(STAND_IN, config, tmp_path):
        entries = settled(config, *uids)

    assert {entry.state for entry in entries} == {"finding"}


def test_a_destination_that_comes_back_gets_its_results(node):
    """
    What is out of resources now is asked again, until it takes the same objects.
    """
    node.archive.answers = lambda count: 0xA700 if count <= 3 else 0x0000
    entry = node.settled(node.send())

    assert [sent.state for sent in entry.deliveries] == ["delivered"]
    assert begun(node.folder).count(entry.job.sop_instance_uid) == 1
    assert len(set(node.archive.uids())) == 2


def test_a_refusal_is_sent_once_and_shown(node):
    """
    Repeating it would change nothing: the status has the peer's answer for a person.
    """
    node.archive.answers = lambda count: 0x0110
    entry = node.settled(node.send())

    assert [sent.state for sent in entry.deliveries] == ["refused"]
    assert "0x0110" in entry.deliveries[0].detail
    assert len(node.archive.got) == 2


def test_what_was_refused_is_sent_again_when_it_is_queued_again(node):
    """
    The kept bytes go out once more, and the image is not judged a second time.
    """
    node.archive.answers = lambda count: 0x0110
    uid = node.send()
    refused = node.settled(uid)
    node.archive.answers = lambda count: 0x0000
    assert [entry.job.id for entry in requeue(node.config, [uid], failed=False)] == [refused.job.id]
    entry = node.settled(uid)

    assert [sent.state for sent in entry.deliveries] == ["delivered"]
    assert begun(node.folder).count(uid) == 1
    assert node.archive.got[:2] == node.archive.got[2:]


def test_what_a_destination_chokes_on_holds_up_nothing_else(configure, archive, tmp_path):
    """
    Nine images that it is always "out of resources" for, and sleep until their next attempt: the tenth is delivered.
    """
    archive.answers = lambda count: 0xA700 if b"CHOKES" in archive.got[-1] else 0x0000
    config = configure(archive, deliver={"backoff_seconds": 600.0})
    for seed in range(9):
        receive_here(config, seed=seed, PatientID="CHOKES")
    with half(STAND_IN, config, tmp_path):
        wait_for(lambda: len(set(archive.uids())) >= 9, what="an attempt at each")
        (entry,) = settled(config, receive_here(config, seed=10))

    assert [sent.state for sent in entry.deliveries] == ["delivered"]


def test_what_a_destination_refused_is_found_by_status(node):
    """
    `status --failed` is for monitoring: it shows what a person must look at, and ends with 1 where there is any.
    """
    node.archive.answers = lambda count: 0x0110
    refused = node.settled(node.send())
    node.archive.answers = lambda count: 0x0000
    taken = node.settled(node.send())

    # And what other tests of this node lost.
    shown = [entry.job.id for entry in needing_attention(node.config, 1000, failed=True)]
    assert shown[0] == refused.job.id
    assert taken.job.id not in shown
    assert len(needing_attention(node.config, 1, failed=True)) == 1


def test_what_somebody_has_looked_at_is_left_out_until_it_is_queued_again(node):
    """
    `acknowledge` quiets the monitoring for this image alone; what happens to it later is news again.
    """
    node.archive.answers = lambda count: 0x0110
    uid, other = node.send(), node.send()
    seen, unseen = node.settled(uid), node.settled(other)

    assert [entry.job.id for entry in acknowledge(node.config, [uid], failed=False)] == [seen.job.id]
    shown = [entry.job.id for entry in needing_attention(node.config, 1000, failed=True)]
    assert seen.job.id not in shown
    assert unseen.job.id in shown
    again = [entry.job.id for entry in requeue(node.config, [], failed=True)]
    assert seen.job.id not in again
    assert unseen.job.id in again
    assert list(requeue(node.config, [uid], failed=False))
    node.settled(uid)
    assert seen.job.id in [entry.job.id for entry in needing_attention(node.config, 1000, failed=True)]


def test_a_quarantined_image_is_shown_until_somebody_has_looked_at_it(node):
    """
    No command judges it, so `requeue` does not clear the alarm; `acknowledge` does, and deletes nothing.
    """
    uid = node.send()
    first = node.settled(uid)
    receive_here(node.config, SOPInstanceUID=uid, PatientID="OTHER")
    wait_for(
        lambda: any(entry.job.conflicting for entry in needing_attention(node.config, 1, failed=True)),
        what="the image in quarantine",
    )
    (conflict,) = needing_attention(node.config, 1, failed=True)

    assert conflict.state == "quarantined"
    assert first.job.id not in [entry.job.id for entry in needing_attention(node.config, 1000, failed=True)]
    lying = open_store(node.config).quarantine.count_images()
    acknowledged = [entry.job.id for entry in acknowledge(node.config, [uid], failed=False)]
    assert acknowledged == [conflict.job.id]
    assert open_store(node.config).quarantine.count_images() == lying - 1
    assert conflict.job.id not in [
        entry.job.id for entry in needing_attention(node.config, 1000, failed=True)
    ]
    assert (node.config.store.folder / conflict.job.file).is_file()


def test_judged_anew_an_image_is_processed_once_more(node):
    """
    Unlike a requeue alone, which sends what is kept.
    """
    uid = node.send()
    node.settled(uid)
    assert list(requeue(node.config, [uid], failed=False, anew=True))
    entry = node.settled(uid)

    assert [sent.state for sent in entry.deliveries] == ["delivered"]
    assert begun(node.folder).count(uid) == 2
    assert node.archive.got[:2] == node.archive.got[2:]  # not one byte differs under the same UIDs


def choking_on(archive, study):
    """Let the archive be out of resources for whatever belongs to one study."""
    archive.answers = lambda count: (
        0xA700 if dcmread(BytesIO(archive.got[-1])).StudyInstanceUID == study else 0x0000
    )


def test_a_delivery_that_is_not_taken_while_others_are_is_given_up_and_begun_anew(
    configure, archive, tmp_path
):
    """
    It does not hold up the others; `--failed` finds it, and the attempts of the first time are forgotten.
    """
    study = str(generate_uid())
    choking_on(archive, study)
    config = configure(archive, deliver={"attempts": 1, "backoff_limit_seconds": 0.2})
    uid = receive_here(config, StudyInstanceUID=study)
    with half(STAND_IN, config, tmp_path) as worker:
        wait_for(lambda: len(archive.got) > 3, what="a second attempt")
        assert not entry_of(config, uid).settled
        assert [entry.job.sop_instance_uid for entry in needing_attention(config, 9, overdue_minutes=0)] == [
            uid
        ]
        other = receive_here(config, seed=1)
        failed, taken = settled(config, uid, other)
        archive.answers = lambda count: 0x0000
        again = list(requeue(config, [], failed=True))
        (entry,) = settled(config, uid)

    assert [sent.state for sent in taken.deliveries] == ["delivered"]
    assert [sent.state for sent in failed.deliveries] == ["failed"]
    assert "while the destination took other results" in failed.deliveries[0].detail
    assert [event["job"] for event in worker.events("failed")] == [failed.job.id]
    assert [entry.job.id for entry in again] == [failed.job.id]
    assert [sent.state for sent in entry.deliveries] == ["delivered"]


def test_a_destination_that_takes_nothing_is_waited_for(configure, archive, tmp_path):
    """
    That is no fault of the results: no attempt counts, and all are delivered once it is back.
    """
    archive.answers = lambda count: 0xA700 if count <= 8 else 0x0000
    config = configure(archive, deliver={"attempts": 1, "backoff_limit_seconds": 0.2})
    uids = [receive_here(config), receive_here(config, seed=1)]
    with half(STAND_IN, config, tmp_path) as worker:
        entries = settled(config, *uids)

    assert [sent.state for entry in entries for sent in entry.deliveries] == ["delivered"] * 2
    assert [len(worker.events(f"destination_{way}")) for way in ("down", "up")] == [1, 1]


def test_what_counts_as_in_work_and_is_run_by_nobody_is_taken_up(configure, archive, tmp_path, monkeypatch):
    """
    A full disk ends a workflow where it cannot write down its end, and the row says for ever that it runs.
    """
    monkeypatch.setenv("STAND_IN_RESUME_SECONDS", "4")
    config = configure(archive)
    uid = receive_here(config)
    with half(STAND_IN, config, tmp_path) as worker:
        (entry,) = settled(config, uid)
        with closing(sqlite3.connect(config.store.folder / "queue.sqlite", timeout=30)) as database, database:
            job = (entry.job.id,)
            database.execute("UPDATE workflow_status SET status = 'PENDING' WHERE workflow_uuid = ?", job)
            database.execute("UPDATE workflow_status SET output = NULL WHERE workflow_uuid = ?", job)
            database.execute("DELETE FROM workflow_output WHERE workflow_uuid = ?", job)
        assert entry_of(config, uid).state == "working"
        (again,) = settled(config, uid)

    assert again.state == "finding"
    assert [event["workflow"] for event in worker.events("resumed")] == [entry.job.id]


def test_an_image_that_failed_is_judged_again_when_it_comes_again(node):
    """
    Its sender sends it again, and that is enough.
    """
    uid = node.send(ImageComments="defect")
    node.settled(uid)
    send(node.receiver, node.folder, SOPInstanceUID=uid, ImageComments="defect")
    node.settled(uid)

    assert begun(node.folder).count(uid) == 2


def test_what_one_destination_refuses_is_shown_while_another_is_down(configure, archive, tmp_path):
    """
    A destination may be down for a weekend; how it ends there nobody can have seen yet.
    """
    archive.answers = lambda count: 0xA900
    dead = {"name": "dead", "ae_title": "DEAD", "host": "127.0.0.1", "port": 9}
    config = configure(
        destination=[dead, archive.destination.model_dump()], deliver={"backoff_seconds": 600.0}
    )
    uid = receive_here(config)
    with half(STAND_IN, config, tmp_path):
        wait_for(lambda: needing_attention(config, 1, failed=True), what="the refusal")

    (entry,) = needing_attention(config, 1, failed=True)
    assert {sent.destination: sent.state for sent in entry.deliveries} == {
        "dead": "waiting",
        "archive": "refused",
    }
    assert list(acknowledge(config, [uid], failed=True)) == []
    assert list(requeue(config, [uid], failed=True)) == []


def test_a_dead_destination_does_not_hold_up_another(configure, archive, tmp_path):
    """
    Each destination has a queue of its own: what one takes at the second attempt does not wait for the other.
    """
    archive.answers = lambda count: 0xA700 if count == 1 else 0x0000
    dead = {"name": "aaa", "ae_title": "DEAD", "host": "127.0.0.1", "port": 9}
    config = configure(
        destination=[dead, archive.destination.model_dump()], deliver={"backoff_seconds": 600.0}
    )
    receive_here(config)
    with half(STAND_IN, config, tmp_path):
        wait_for(lambda: len(archive.got) == 3, what="the living destination")


@pytest.mark.parametrize(
    ("wish", "state", "reason"),
    [
        ("clear", "no finding", ""),
        ("lateral", "rejected", "lateral-view"),
        ("defect", "failed", "KeyError"),
        ("flaky", "finding", ""),
    ],
)
def test_every_image_gets_an_answer(node, wish, state, reason):
    """
    Nothing ends in silence, and a device that failed once is asked again.
    """
    entry = node.settled(node.send(ImageComments=wish))

    assert (entry.state, entry.outcome.reason) == (state, reason)


def test_the_same_image_twice_is_answered_once(node):
    """
    One job, one pair of results, however often the sender repeats itself.
    """
    uid = node.send()
    send(node.receiver, node.folder, SOPInstanceUID=uid)
    node.settled(uid)

    assert begun(node.folder).count(uid) == 1
    assert len(node.archive.got) == 2


def test_images_are_in_work_together(node):
    """
    As many as [queue] jobs_at_once; as many as [queue] processes of them are judged at one moment.
    """
    (node.folder / "go").unlink(missing_ok=True)
    before = len(begun(node.folder))
    uids = [node.send(ImageComments="slow") for _ in range(4)]
    wait_for(lambda: len(begun(node.folder)) == before + 3, what="three images at once")
    (node.folder / "go").touch()

    assert [node.settled(uid).state for uid in uids] == ["finding"] * 4


def test_the_log_has_no_patient(node):
    """
    Neither a name nor an id, neither in a good case nor in a defect whose message quotes both.
    """
    for wish in ("", "defect", "lateral"):
        node.settled(node.send(ImageComments=wish, PatientName="Unmistakable^Name", PatientID="PID4711"))
    written = node.receiver.log.read_text() + node.worker.log.read_text()

    assert "Unmistakable" not in written
    assert "PID4711" not in written
    assert {"receiving", "received"} <= {event["event"] for event in node.receiver.events()}
    assert {"working", "answered", "delivered", "defect"} <= {
        event["event"] for event in node.worker.events()
    }


def test_what_is_old_is_forgotten(node):
    """
    [store] keep_days after its end, an image goes with its results and its record; 0 keeps for ever.
    """
    uid = node.send()
    entry = node.settled(uid)
    store, jobs = open_store(node.config), open_jobs(node.config)
    Acknowledged(open_store(node.config).folder).add(entry.job.id)
    later = datetime.now(UTC) + timedelta(days=2)
    counts = [delete_old(store, jobs, days, now=later) for days in (0, 3)]
    kept = [(store.folder / entry.job.file).exists(), store.results.folder_of(entry.job.id) is not None]
    forgotten = delete_old(store, jobs, 1, now=later)
    gone = [
        (store.folder / entry.job.file).exists(),
        store.results.folder_of(entry.job.id),
        jobs.get(entry.job.id),
    ]
    jobs.close()

    assert (counts, kept) == ([0, 0], [True, True])
    assert forgotten >= 1
    assert gone == [False, None, None]
    assert entry.job.id not in Acknowledged(store.folder)


def test_the_receiver_is_small(node):
    """
    Below 150 MB, and without the model's libraries in its memory.
    """
    for _ in range(5):
        node.send(ImageComments="clear")
    process = psutil.Process(node.receiver.process.pid)

    assert process.memory_info().rss < 150e6
    assert "torch" not in " ".join(part.path for part in process.memory_maps())


def test_a_running_node_makes_no_file_that_others_can_read(node):
    """
    Neither the halves nor the libraries under them.
    """
    node.settled(node.send())
    files = [path for path in (node.folder / "store").rglob("*") if path.is_file()]

    assert {path.name for path in files} >= {"queue.sqlite", "sr.dcm", "receive.lock", "jobs.lock"}
    assert {path.name for path in files if path.stat().st_mode & 0o077} == set()


@pytest.mark.parametrize("arguments", [RECEIVE, STAND_IN])
def test_sigterm_ends_a_half_cleanly(configure, tmp_path, arguments):
    """
    Status 0 and a last line in the log.
    """
    with half(arguments, configure(), tmp_path) as process:
        assert process.stop() == 0
        assert process.events()[-1]["event"] in ("receiver_stopped", "worker_stopped")


def test_a_half_ends_when_its_supervisor_is_gone(configure, tmp_path):
    """
    kill -9 of the supervisor leaves no orphan behind.
    """
    with half(RECEIVE, configure(), tmp_path) as receiver:
        receiver.process.stdin.close()
        assert receiver.process.wait(30) == 0


def test_a_worker_on_a_store_that_has_one_is_refused(configure, tmp_path):
    """
    It would take up what the first one has in work. Its status says that another try is of no use.
    """
    config = configure()
    with open_store(config).claim("work"):
        second = subprocess.run(
            [sys.executable, *STAND_IN],
            input=config.to_json() + "\n",
            text=True,
            capture_output=True,
            check=False,
            cwd=ROOT,
            env={**os.environ, "STAND_IN_FOLDER": str(tmp_path)},
            timeout=60,
        )

    assert second.returncode == CANNOT_START
    assert "another process already does 'work'" in second.stderr
    assert '"defect"' not in second.stderr  # what a person can mend is no defect of ours


def test_a_receiver_starts_below_the_watermark_and_says_so(configure, tmp_path):
    """
    It takes images as soon as there is room, without another start.
    """
    config = configure(store={"min_free_megabytes": 10**9})
    with half(RECEIVE, config, tmp_path) as receiver:
        assert [line["level"] for line in receiver.events("store_full")] == ["warning"]
