"""A log line is an event and ids, never a person."""

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from node import logs


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a function that gives what was logged."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers, root.level
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    logs.configure("debug", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_an_event_is_one_json_line(lines):
    """
    Machines read it, people too.
    """
    structlog.get_logger("node.test").info("delivered", job="17", destination="PACS")
    (line,) = lines()

    assert (line["event"], line["job"], line["destination"], line["level"]) == (
        "delivered",
        "17",
        "PACS",
        "info",
    )
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("library", ["pynetdicom.transport", "pynetdicom.acse"])
def test_a_peer_that_is_down_is_not_told_by_the_library_too(lines, library):
    """
    At every attempt, as an error and without its name; `destination_down` says it once.
    """
    logging.getLogger(library).error("Association request failed: unable to connect to remote")

    assert lines() == []


def test_what_nobody_catches_is_told_in_one_line_without_its_message(lines):
    """
    A thread of a library that dies would write a traceback among the lines, and what it says may be a name.
    """

    def die() -> None:
        raise KeyError("DOE^JANE")

    thread = threading.Thread(target=die)
    thread.start()
    thread.join()
    try:
        die()
    except KeyError:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]

    for line in lines():
        assert (line["event"], line["error"], line["level"]) == ("defect", "KeyError", "error")
        assert line["where"][-1].startswith("test_logs.py:")
        assert "DOE" not in str(line)
    assert len(lines()) == 2


@pytest.mark.parametrize("library", ["pydicom", "pynetdicom.events", "highdicom.sr"])
def test_a_dicom_library_may_not_quote_the_patient(lines, library):
    """
    Of its line only the place and the error's class are kept.
    """
    try:
        raise ValueError("Doe^Jane")
    except ValueError:
        logging.getLogger(library).exception("cannot read Doe^Jane")
    (line,) = lines()

    assert "Doe" not in str(line)
    assert (line["logger"], line["error"]) == (library, "ValueError")
    assert line["where"].startswith("test_logs.py:")


def test_other_libraries_keep_their_message(lines):
    """
    What the queue's library says of itself helps an operator.
    """
    logging.getLogger("dbos").warning("contention")
    (line,) = lines()

    assert line["message"] == "contention"


def test_a_warning_is_written_without_its_text(lines):
    """
    pydicom's warnings quote the value they are about.
    """
    stream = io.StringIO()
    with warnings.catch_warnings():  # pytest has put its own way of showing them in place for this test
        warnings.simplefilter("always")
        logs.configure("debug", stream=stream)
        warnings.warn("Invalid value for VR PN: Doe^Jane", UserWarning, stacklevel=1)
    line = json.loads(stream.getvalue())

    assert "Doe" not in str(line)
    assert line["category"] == "UserWarning"


def test_logging_goes_to_standard_error(capsys, monkeypatch):
    """
    Standard output belongs to what a person asked for.
    """
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    logs.configure("info")
    structlog.get_logger("node.test").info("hello")
    structlog.reset_defaults()
    out, err = capsys.readouterr()

    assert (out, json.loads(err)["event"]) == ("", "hello")


def test_what_a_library_repeats_is_counted(lines, monkeypatch):
    """
    The same place in its code, the same error: one line a minute, with the number of those that are missing.
    """
    now = [0.0]
    monkeypatch.setattr("node.repeated_lines.time.monotonic", lambda: now[0])
    logs.configure("debug", stream=(stream := io.StringIO()))
    for second in (0, 1, 2, 61):
        now[0] = second
        logging.getLogger("pynetdicom.fsm").error("the same, %s", second)
    found = [json.loads(line) for line in stream.getvalue().splitlines()]

    assert [line.get("repeated") for line in found] == [None, 2]


def test_a_connection_that_breaks_is_not_told_by_the_library_too(lines):
    """
    `association_aborted` says it, with the address.
    """
    record = logging.LogRecord(
        "pynetdicom.dul", logging.ERROR, "dul.py", 1, "closed", (), None, "_read_pdu_data"
    )
    logging.getLogger("pynetdicom.dul").handle(record)

    assert lines() == []
