"""What happened is counted once, whoever dies meanwhile."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest

from node.audit.recorder import note_nothing
from node.jobs import Ending, Job, Outcome, Sent
from node.watch.counting import WorkCounts, counted
from node.watch.counts import FILE, HOUR_SECONDS, KEPT_HOURS, Figure, read_counts, read_hours
from node.watch.tally import Tally

JOB = Job(id="a", sop_instance_uid="1.2", file="a.dcm", conflicting=False, peer="CT1", received_at=1000.0)


def outcome(**values: object) -> Outcome:
    given = {"ending": Ending.FINDING, "started_at": 1001.0, "finished_at": 1002.5, "seconds": {"infer": 0.3}}
    return Outcome(**{**given, **values})


def test_what_was_written_is_added_to(tmp_path):
    """
    A process that starts again goes on; another process adds to the same number.
    """
    for _ in range(2):
        one, other = Tally(tmp_path), Tally(tmp_path)
        one.count(Figure.RECEIVED, "CT1", "new")
        other.count(Figure.RECEIVED, "CT1", "new", number=2)
        one.write()
        other.write()

    assert read_counts(tmp_path) == {(Figure.RECEIVED, ("CT1", "new")): 6}


def test_each_hour_has_numbers_of_its_own_and_old_ones_go(tmp_path):
    """
    Those since the store began stay.
    """
    now = [0.0]
    tally = Tally(tmp_path, clock=lambda: now[0] * HOUR_SECONDS)
    for hour in (5, 6, 6, 6 + KEPT_HOURS):
        now[0] = hour
        tally.count(Figure.RESULTS, "finding", "CT1")
    tally.write()

    found = read_hours(tmp_path, since=0, figure=Figure.RESULTS)
    assert {hour: number for (hour, _, _), number in found.items()} == {6: 2, 6 + KEPT_HOURS: 1}
    assert sum(read_counts(tmp_path).values()) == 4


def test_what_could_not_be_written_is_written_later(tmp_path):
    """
    A file that another process has locked loses nothing.
    """
    tally = Tally(tmp_path)
    tally.count(Figure.RECEIVED, "CT1", "new")
    tally.write()
    tally.count(Figure.RECEIVED, "CT1", "new")
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        database.execute("BEGIN IMMEDIATE")
        tally.write()
        database.rollback()
    before = read_counts(tmp_path)
    tally.write()

    assert sum(before.values()) == 1
    assert sum(read_counts(tmp_path).values()) == 2


def test_a_damaged_file_is_begun_anew(tmp_path):
    """
    Nothing else depends on it.
    """
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    tally = Tally(tmp_path)
    tally.count(Figure.RECEIVED, "CT1", "new")
    tally.write()

    assert sum(read_counts(tmp_path).values()) == 1


def test_a_sender_with_ever_new_titles_fills_nothing(tmp_path):
    """
    Those beyond the fiftieth share a name, also after a restart; those that are known keep theirs.
    """
    for turn in range(2):
        tally = Tally(tmp_path)
        for number in range(200):
            tally.count(Figure.RECEIVED, f"T{turn}-{number}", "new")
        tally.count(Figure.RECEIVED, "T0-1", "new")
        tally.write()

    found = {labels[0]: number for (_, labels), number in read_counts(tmp_path).items()}
    assert len(found) == 51
    assert (found["other"], found["T0-1"]) == (350, 3)


def test_counting_costs_the_same_with_many_numbers(tmp_path):
    """
    What was counted before is not gone through.
    """

    def seconds(tally: Tally) -> float:
        times = []
        for _ in range(200):
            start = perf_counter()
            tally.count(Figure.RECEIVED, "CT1", "new")
            times.append(perf_counter() - start)
        return median(times)

    few, many = Tally(tmp_path), Tally(tmp_path)
    for number in range(20_000):
        many.count(Figure.STAGE, str(number % 40), str(number % 13))

    assert seconds(many) < 10 * seconds(few)


@pytest.mark.parametrize(
    ("event", "facts", "expected"),
    [
        ("received", {"sender": "CT1", "how": "new"}, (Figure.RECEIVED, ("CT1", "new"), 1)),
        ("not_taken", {"status": "A700"}, (Figure.REFUSED, ("image", "out of resources"), 1)),
        (
            "rejected",
            {"why": "local limit exceeded (transient, 2/3/2)", "times": 7},
            (Figure.REFUSED, ("association", "local limit exceeded"), 7),
        ),
    ],
)
def test_the_receivers_events_are_counted(tmp_path, event, facts, expected):
    """
    As they go to the audit trail, and also where there is none.
    """
    tally = Tally(tmp_path)
    counted(note_nothing, tally)(event, **facts)
    tally.write()

    figure, labels, number = expected
    assert read_counts(tmp_path) == {(figure, labels): number}


def test_an_answer_has_the_times_of_its_stages(tmp_path):
    """
    With the wait before it, and the whole from the last byte on.
    """
    tally = Tally(tmp_path)
    WorkCounts(tally).answered(JOB, outcome(), 1001.0)
    tally.write()

    found = read_counts(tmp_path)
    assert found == {
        (Figure.RESULTS, ("finding", "CT1")): 1,
        (Figure.STAGE, ("wait", "1")): 1,
        (Figure.STAGE_SECONDS, ("wait",)): 1.0,
        (Figure.STAGE, ("infer", "0.5")): 1,
        (Figure.STAGE_SECONDS, ("infer",)): 0.3,
        (Figure.ANSWER, ("2.5",)): 1,
        (Figure.ANSWER_SECONDS, ()): 2.5,
    }


def test_kept_results_that_go_out_again_took_no_time(tmp_path):
    """
    No stage ran; the ending counts.
    """
    tally = Tally(tmp_path)
    WorkCounts(tally).answered(JOB, outcome(), 5000.0)
    tally.write()

    assert read_counts(tmp_path) == {(Figure.RESULTS, ("finding", "CT1")): 1}


def test_why_an_image_was_not_judged_is_counted(tmp_path):
    """
    By the word that the status shows.
    """
    tally = Tally(tmp_path)
    WorkCounts(tally).answered(JOB, outcome(ending=Ending.REJECTED, reason="lateral-view"), 5000.0)
    WorkCounts(tally).delivered("PACS", Sent.REFUSED, 0.1)
    tally.write()

    assert read_counts(tmp_path) == {
        (Figure.RESULTS, ("rejected", "CT1")): 1,
        (Figure.NOT_JUDGED, ("lateral-view",)): 1,
        (Figure.DELIVERIES, ("PACS", "refused")): 1,
    }


def test_threads_count_together(tmp_path):
    """
    No number is lost between them.
    """
    tally = Tally(tmp_path)

    def many(write: Callable[[], None]) -> None:
        for _ in range(500):
            tally.count(Figure.RECEIVED, "CT1", "new")
        write()

    threads = [threading.Thread(target=many, args=(tally.write,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tally.write()

    assert sum(read_counts(tmp_path).values()) == 2000


def test_a_store_in_which_nothing_was_counted_has_no_numbers(tmp_path: Path):
    """
    The page asks before anything came.
    """
    assert read_counts(tmp_path) == {}
