"""One JSON line an event, on standard error. An event and ids, never a patient field."""

import logging
import sys
import threading
import traceback
import warnings
from pathlib import Path
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_QUOTING = ("pydicom", "pynetdicom", "highdicom", "urllib3", "py.warnings")
"""Loggers whose messages may quote a data set or an answer: only the place and the error's class are written."""

_TOLD_ALREADY = ("pynetdicom.transport", "pynetdicom.acse")
"""They call it an error that a peer is down, at every try and without its name; `destination_down` says it once."""


def configure(level: str, *, stream: TextIO | None = None) -> None:
    """Send every log line of this process, ours and the libraries', to *stream* (standard error)."""
    handler = logging.StreamHandler(stream or sys.stderr)
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
    # dbos writes to the console by itself unless it finds a handler.
    dbos = logging.getLogger("dbos")
    dbos.handlers, dbos.propagate = [handler], False
    for name in _TOLD_ALREADY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in _QUOTING:  # pydicom and pynetdicom bring handlers of their own
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    warnings.showwarning = _show_warning
    threading.excepthook = lambda given: _tell_of_defect(given.exc_type, given.exc_value)
    sys.excepthook = lambda kind, error, trace: _tell_of_defect(kind, error)
    structlog.configure(
        processors=[*_STAMPS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def places_of(error: BaseException | None) -> list[str]:
    """Give the innermost places, file and line; never the message, which may quote the patient."""
    frames = traceback.extract_tb(error.__traceback__)[-4:] if error else []
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]


def _tell_of_defect(kind: type[BaseException], error: BaseException | None) -> None:
    """Write what nobody has caught, in any thread, in one line and without its message."""
    structlog.get_logger("node.defects").error("defect", error=kind.__name__, where=places_of(error))


def _library_event(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Shorten a library's line to what cannot name a person."""
    record: logging.LogRecord = event["_record"]
    kept: EventDict = {"_record": record, "_from_structlog": False, "event": "library"}
    kept["logger"] = record.name
    kept["where"] = f"{Path(record.pathname).name}:{record.lineno}"
    if record.exc_info and record.exc_info[0]:
        kept["error"] = record.exc_info[0].__name__
    if not record.name.startswith(_QUOTING):
        kept["message"] = event["event"]
    return kept


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Write a Python warning without its text: pydicom's quote values."""
    log = structlog.get_logger("node.warnings")
    log.debug("warning", category=category.__name__, where=f"{Path(filename).name}:{lineno}")


_STAMPS: list[Processor] = [
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
