"""The log: one JSON line for each event, on standard error. It has events and ids, and no patient data."""

import logging
import sys
import threading
import traceback
import warnings
from pathlib import Path
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from node.repeated_lines import RepeatedLines

_QUOTING = ("pydicom", "pynetdicom", "highdicom", "urllib3", "py.warnings")
"""Loggers whose messages may quote a data set or a response: only place and class of an error are written."""

_REPORTED_ELSEWHERE = ("pynetdicom.transport", "pynetdicom.acse")
"""They log an error at every attempt to reach a peer that is down; our event `destination_down` logs it once."""

_READING = "_read_pdu_data"
"""The function of pynetdicom that logs two lines for every connection that breaks; our events have them in one."""


def configure(level: str, *, stream: TextIO | None = None) -> None:
    """Write every log line of this process, also those of libraries, to *stream* (None: standard error)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(lambda record: not (record.name == "pynetdicom.dul" and record.funcName == _READING))
    handler.addFilter(RepeatedLines(_QUOTING))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_library_event, *_STAMPS],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(sort_keys=False, ensure_ascii=True),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("node").setLevel(level.upper())
    # dbos writes to the console itself unless it finds a handler.
    dbos = logging.getLogger("dbos")
    dbos.handlers, dbos.propagate = [handler], False
    for name in _REPORTED_ELSEWHERE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in _QUOTING:  # pydicom and pynetdicom install handlers of their own
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    warnings.showwarning = _show_warning
    threading.excepthook = lambda caught: _log_defect(caught.exc_type, caught.exc_value)
    sys.excepthook = lambda kind, error, trace: _log_defect(kind, error)
    structlog.configure(
        processors=[*_STAMPS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def places_of(error: BaseException | None) -> list[str]:
    """Give file and line of the innermost calls, but not the message, which may quote the patient."""
    frames = traceback.extract_tb(error.__traceback__)[-4:] if error else []
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]


def _log_defect(kind: type[BaseException], error: BaseException | None) -> None:
    """Log an exception that nothing has caught, in any thread, in one line and without its message."""
    structlog.get_logger("node.defects").error("defect", error=kind.__name__, where=places_of(error))


def _library_event(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Reduce the line of a library to what cannot name a person."""
    record: logging.LogRecord = event["_record"]
    line: EventDict = {"_record": record, "_from_structlog": False, "event": "library"}
    line["logger"] = record.name
    line["where"] = f"{Path(record.pathname).name}:{record.lineno}"
    if record.exc_info and record.exc_info[0]:
        line["error"] = record.exc_info[0].__name__
    if repeated := getattr(record, "repeated", 0):
        line["repeated"] = repeated
    if not record.name.startswith(_QUOTING):
        line["message"] = event["event"]
    return line


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Log a Python warning without its text: warnings of pydicom quote values."""
    log = structlog.get_logger("node.warnings")
    log.debug("warning", category=category.__name__, where=f"{Path(filename).name}:{lineno}")


_STAMPS: list[Processor] = [
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
