"""The trail holds what was written, and shows where somebody changed it."""

import json
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from node.audit.recorder import Recorder
from node.audit.trail import Trail
from node.audit.verify import verify
from sgseg_dicom.errors import StorageUnavailable

DAY = 86400.0
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()


def happened(number: int, at: float = NOON) -> dict[str, object]:
    return {"at": at + number, "event": "received", "image": f"1.2.{number}", "from": "PACS"}


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail(tmp_path)


@pytest.fixture
def three_days(trail: Trail) -> Trail:
    """Three events on each of three days."""
    for day in range(3):
        trail.append([happened(number, NOON + day * DAY) for number in range(3)])
    return trail


def test_an_event_is_one_line_with_ids_and_the_hash_of_the_line_before(trail):
    """
    The first one carries zeros.
    """
    trail.append([happened(1), happened(2)])
    lines = [json.loads(line) for line in trail.files()[0].read_bytes().splitlines()]

    assert [path.name for path in trail.files()] == ["2026-11-30.jsonl"]
    assert lines[0] == {
        "number": 1,
        "at": "2026-11-30T12:00:01.000000Z",
        "event": "received",
        "image": "1.2.1",
        "from": "PACS",
        "before": "0" * 64,
    }
    assert [line["number"] for line in lines] == [1, 2]


def test_a_whole_trail_is_whole_over_its_files(three_days):
    """
    A new file goes on where the one before ended.
    """
    found = verify(three_days)

    assert (found.events, found.broken, found.torn, len(three_days.files())) == (9, "", 0, 3)


def lines_changed(change: Callable[[list[bytes]], object]) -> Callable[[Trail], None]:
    def changed(trail: Trail) -> None:
        lines = trail.files()[1].read_bytes().splitlines(keepends=True)
        change(lines)
        trail.files()[1].write_bytes(b"".join(lines))

    return changed


FORGERIES = {
    "another sender": (
        lines_changed(lambda lines: lines.__setitem__(1, lines[1].replace(b"PACS", b"ROOM"))),
        "2026-12-01.jsonl line 3",
    ),
    "a line less": (lines_changed(lambda lines: lines.pop(1)), "2026-12-01.jsonl line 2"),
    "a line twice": (lines_changed(lambda lines: lines.insert(1, lines[1])), "2026-12-01.jsonl line 3"),
    "two lines changed over": (lines_changed(lambda lines: lines.reverse()), "2026-12-01.jsonl line 1"),
    "the last line of a file changed": (
        lines_changed(lambda lines: lines.__setitem__(2, lines[2].replace(b"PACS", b"ROOM"))),
        "2026-12-02.jsonl line 1",
    ),
    "nonsense": (lines_changed(lambda lines: lines.insert(1, b"nonsense\n")), "2026-12-01.jsonl line 3"),
    "a file less": (lambda trail: trail.files()[1].unlink(), "2026-12-02.jsonl line 1"),
    "the first file less": (lambda trail: trail.files()[0].unlink(), "the beginning"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_the_first_broken_place_is_named(three_days, forgery):
    """
    An administrator who changes or removes a line is found.
    """
    made, place = FORGERIES[forgery]
    made(three_days)

    assert verify(three_days).broken.startswith(place)


def test_lines_that_are_missing_at_the_end_are_found_by_a_hash_that_was_kept(three_days):
    """
    The chain alone cannot see them, nor that somebody wrote all of it anew.
    """
    head = verify(three_days).head.hash
    last = three_days.files()[-1]
    last.write_bytes(b"".join(last.read_bytes().splitlines(keepends=True)[:-1]))

    assert (verify(three_days).broken, verify(three_days, head=verify(three_days).head.hash).broken) == (
        "",
        "",
    )
    assert verify(three_days, head=head).broken.startswith("the end: no line has the hash")


def test_a_hash_that_was_kept_is_found_among_later_lines(trail):
    """
    It is that of yesterday.
    """
    trail.append([happened(1)])
    head = verify(trail).head.hash
    trail.append([happened(2)])

    assert verify(trail, head=head).broken == ""


@pytest.mark.parametrize("left", [1, 30, -1])
def test_a_line_that_a_crash_cut_off_is_mended_and_said(trail, left):
    """
    It stays as it is; the next event says what it is, and the chain is whole.
    """
    trail.append([happened(1), happened(2)])
    file = trail.files()[0]
    content = file.read_bytes()
    whole = content.index(b"\n") + 1
    file.write_bytes(content[: whole + left] if left > 0 else content[:left])
    before = verify(trail)
    with capture_logs() as lines:
        trail.append([happened(3)])
    after = verify(trail)

    torn = len(file.read_bytes().splitlines()[1])
    assert (before.events, before.broken, before.torn) == (1, "", torn)
    assert [(line["event"], line["bytes"]) for line in lines] == [("audit_mended", torn)]
    assert (after.events, after.broken, after.torn) == (3, "", 0)
    assert (b'"mended"' in file.read_bytes()) is (left > 0)


def test_a_file_that_a_crash_left_empty_changes_nothing(trail):
    """
    The first line of a day did not reach the disk.
    """
    trail.append([happened(1)])
    (trail.folder / "2026-12-01.jsonl").touch()
    trail.append([happened(2, NOON + DAY)])

    assert (verify(trail).events, verify(trail).broken) == (2, "")


def test_a_clock_that_is_set_back_breaks_nothing(trail):
    """
    Lines go to the newest file, in the order in which they were written.
    """
    trail.append([happened(1, NOON + DAY)])
    trail.append([happened(2)])

    assert ([path.name for path in trail.files()], verify(trail).broken) == (["2026-12-01.jsonl"], "")


def _write(folder: Path, name: int) -> None:
    for number in range(50):
        Trail(folder).append([happened(1000 * name + number), happened(1000 * name + number)])


def test_several_processes_write_one_chain(tmp_path):
    """
    Receiver, worker and commands do.
    """
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_write, args=(tmp_path, name)) for name in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    found = verify(Trail(tmp_path))

    assert (found.events, found.broken, found.torn) == (300, "", 0)


def _write_for_ever(folder: Path) -> None:
    while True:
        Trail(folder).append([happened(number) for number in range(20)])


def test_writers_that_are_killed_leave_a_chain_that_is_whole(tmp_path):
    """
    Wherever they are in a line.
    """
    context = multiprocessing.get_context("fork")
    for _ in range(10):
        process = context.Process(target=_write_for_ever, args=(tmp_path,))
        process.start()
        process.join(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    Trail(tmp_path).append([happened(0)])
    found = verify(Trail(tmp_path))

    assert (found.events > 20, found.broken, found.torn) == (True, "", 0)


def test_old_files_go_and_the_rest_stays_verifiable(three_days):
    """
    An event says which file went, and how it ended.
    """
    now = datetime.fromtimestamp(NOON + 2 * DAY + 60, UTC)
    assert [three_days.forget(days, now=now) for days in (2, 1)] == [0, 1]
    found = verify(three_days)

    assert [path.name for path in three_days.files()] == ["2026-12-01.jsonl", "2026-12-02.jsonl"]
    assert (found.events, found.broken) == (7, "")


@pytest.mark.parametrize(
    "name", ["2023-11-14-copy.jsonl", "export.jsonl", "2026-99-99.jsonl", "zzzz-zz-zz.jsonl"]
)
def test_a_file_that_a_person_puts_beside_the_trail_is_not_of_it(three_days, name):
    """
    Nothing is written into it or deleted, and the days that are over go all the same.
    """
    foreign = three_days.folder / name
    foreign.write_bytes(b"a copy\n")
    three_days.append([happened(4, NOON + 2 * DAY)])
    gone = three_days.forget(1, now=datetime.fromtimestamp(NOON + 2 * DAY + 60, UTC))

    assert (gone, foreign.read_bytes(), verify(three_days).broken) == (1, b"a copy\n", "")


def test_a_line_whose_time_was_changed_is_found(three_days):
    """
    Also where what stands there is no time any more.
    """
    lines_changed(lambda lines: lines.__setitem__(1, lines[1].replace(b'"at":"2026', b'"at":"then')))(
        three_days
    )

    assert verify(three_days).broken.startswith("2026-12-01.jsonl line 3")


def test_a_trail_that_cannot_be_read_is_an_expected_error(three_days):
    """
    Of root's, for example: `audit verify` says so in a sentence. So does `audit export`.
    """
    three_days.files()[0].unlink()
    (three_days.folder / "2026-11-30.jsonl").mkdir()

    with pytest.raises(StorageUnavailable, match="cannot be used"):
        verify(three_days)


def test_the_file_of_today_never_goes(trail):
    """
    The chain goes on from it.
    """
    trail.append([happened(1)])

    assert trail.forget(0, now=datetime.fromtimestamp(NOON + 400 * DAY, UTC)) == 0


def test_a_disk_that_is_full_leaves_no_half_line(trail):
    """
    The events come again, and stand there once.
    """
    trail.append([happened(1)])
    size, limits = trail.files()[0].stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, limits[1]))
    try:
        with pytest.raises(StorageUnavailable):
            trail.append([happened(2), happened(3)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    trail.append([happened(2), happened(3)])

    assert (verify(trail).events, verify(trail).broken) == (3, "")


def test_a_recorder_writes_what_it_was_told_before_it_ends(trail):
    """
    In order.
    """
    recorder = Recorder(trail)
    for number in range(100):
        recorder.note("received", image=f"1.2.{number}")
    recorder.close()
    lines = [json.loads(line) for path in trail.files() for line in path.read_bytes().splitlines()]

    assert [line["image"] for line in lines] == [f"1.2.{number}" for number in range(100)]


def test_a_recorder_waits_for_a_disk_that_fails(trail, tmp_path, monkeypatch):
    """
    One line in the log, and nothing is lost.
    """
    monkeypatch.setattr("node.audit.recorder._AGAIN_SECONDS", 0.05)
    (tmp_path / "audit").write_text("in the way")
    with capture_logs() as lines:
        recorder = Recorder(trail)
        recorder.note("received", image="1.2.1")
        recorder._thread.join(0.6)
        (tmp_path / "audit").unlink()
        recorder.note("received", image="1.2.2")
        recorder.close()

    assert [line["event"] for line in lines] == ["audit_failed"]
    assert verify(trail).events == 2
