"""
A judging process: it takes one order after the other from the worker, until the worker ends.

The worker kills it where an image hangs or takes too much memory. So it holds nothing that anybody would miss.
"""

import fcntl
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import structlog

from node import logs
from node.failures import Defect
from node.judge.asked_earlier import AskedEarlier
from node.judge.in_process import InProcess, Process
from node.judge.messages import Answer, Entered, Order
from node.judge.shares import AskedShares, Shares
from sgseg_dicom.config import Config
from sgseg_dicom.errors import SgsegError

log = structlog.get_logger(__name__)

T = TypeVar("T")
Load = Callable[[Config, ExitStack, Shares], Process]
"""Gives the pipeline with its model, and puts on the stack what must be closed at the end."""


def serve(
    connection: "Connection[Any, Any]", lifeline: "Connection[Any, Any]", settings: str, load: Load
) -> None:
    """
    Load the pipeline, report that it is ready, and take orders: the whole life of the process.

    Args:
        connection: to the worker.
        lifeline: the reading end of a pipe into which nobody writes; it breaks when the worker ends.
        settings: `Config.to_json`.
        load: gives the pipeline.
    """
    config = Config.from_json(settings)
    _end_with(lifeline)
    # Signals to the whole group (Ctrl-C, systemd) are for the worker: it lets the images in work come to their end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o077)
    logs.configure(config.log.level)
    shares = AskedShares(connection, max_megapixels=config.queue.max_megapixels)
    # All runs in one thread: some libraries keep a pool of helpers for each thread that asks them.
    with ExitStack() as stack, ThreadPoolExecutor(1, thread_name_prefix="judge") as thread:
        loaded = _value_or_error(thread, lambda: load(config, stack, shares))
        if isinstance(loaded, SgsegError):
            connection.send(Answer(error=loaded))
            return
        judge = InProcess(loaded, entered=lambda stage: connection.send(Entered(stage)))
        connection.send(Answer(value=os.getpid()))
        while (order := _next(connection)) is not None:
            connection.send(_obey(thread, judge, order, AskedEarlier(connection)))


def _obey(thread: ThreadPoolExecutor, judge: InProcess, order: Order, earlier: AskedEarlier) -> Answer[Any]:
    """Do what the worker asks."""
    seconds: dict[str, float] = {}

    def action() -> object:
        if order.error is None:
            return judge(order.path, wanted=order.wanted, seconds=seconds, earlier=earlier)
        return judge.not_judged(order.path, order.error)

    value = _value_or_error(thread, action)
    if isinstance(value, SgsegError):
        return Answer(error=value, seconds=seconds)
    return Answer(value=value, seconds=seconds)


def _value_or_error(thread: ThreadPoolExecutor, action: Callable[[], T]) -> T | SgsegError:
    """Run *action*, and turn what it raises into a value; the future catches everything."""
    future = thread.submit(action)
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, SgsegError):
        return error
    log.error("defect", error=type(error).__name__, where=logs.places_of(error))
    return Defect(type(error).__name__)


def _next(connection: "Connection[Any, Any]") -> Order | None:
    """Wait for the next order; None when the worker has ended."""
    try:
        order: Order = connection.recv()
        return order
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
