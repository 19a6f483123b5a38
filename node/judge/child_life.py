"""How each process of the worker begins, answers and ends. It imports little: the model's process starts with it."""

import fcntl
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import structlog

from node import logs
from node.failures import Defect
from node.judge.messages import Answer
from sgseg_dicom.config import Config
from sgseg_dicom.errors import SgsegError

log = structlog.get_logger(__name__)

T = TypeVar("T")


def begin(lifeline: "Connection[Any, Any]", settings: str) -> Config:
    """
    Make this process one of the worker's, and give the settings.

    Args:
        lifeline: the reading end of a pipe into which nobody writes; it breaks when the worker ends.
        settings: `Config.to_json`.
    """
    config = Config.from_json(settings)
    _end_with(lifeline)
    # Signals to the whole group (Ctrl-C, systemd) are for the worker: it lets the images in work come to their end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o077)
    logs.configure(config.log.level)
    return config


def answer_of(thread: ThreadPoolExecutor, action: Callable[[], T]) -> Answer[T]:
    """Run *action* in *thread*, and turn what it raises into an answer; the future catches everything."""
    future = thread.submit(action)
    error = future.exception()
    if error is None:
        return Answer(value=future.result())
    if isinstance(error, SgsegError):
        return Answer(error=error)
    log.error("defect", error=type(error).__name__, where=logs.places_of(error))
    return Answer(error=Defect(type(error).__name__))


def next_order(connection: "Connection[Any, Any]") -> Any:
    """Wait for the next order; None when the worker has ended."""
    try:
        return connection.recv()
    except EOFError:
        return None


def _end_with(lifeline: "Connection[Any, Any]") -> None:
    """
    Let the kernel end this process when the other end of *lifeline* closes, whatever this process is doing then.

    A decoder that hangs holds Python's lock, so no thread of ours could notice. SIGIO, which the kernel sends when
    something happens on the pipe (fcntl(2), O_ASYNC), ends a process that does not handle it (signal(7)).
    """
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if lifeline.poll():  # it broke before
        os._exit(1)
