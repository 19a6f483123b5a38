"""
A judging process: it takes one order after the other from the worker, until the worker ends.

The worker kills it where an image hangs or takes too much memory. So it holds nothing that anybody would miss.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from node.judge.asked_worker import AskedWorker
from node.judge.child_life import answer_of, begin, next_order
from node.judge.in_process import InProcess, Process
from node.judge.messages import Answer, Entered, Order
from sgseg_dicom.config import Config

Load = Callable[[Config, AskedWorker], Process]
"""Gives the pipeline, which asks the worker for what it does not have itself."""


def serve(
    connection: "Connection[Any, Any]", lifeline: "Connection[Any, Any]", settings: str, load: Load
) -> None:
    """
    Load the pipeline, report that it is ready, and take orders: the whole life of the process.

    Args:
        connection: to the worker.
        lifeline, settings: as of `node.judge.child_life.begin`.
        load: gives the pipeline.
    """
    config = begin(lifeline, settings)
    worker = AskedWorker(connection, max_megapixels=config.queue.max_megapixels)
    # All runs in one thread: some libraries keep a pool of helpers for each thread that asks them.
    with ThreadPoolExecutor(1, thread_name_prefix="judge") as thread:
        loaded = answer_of(thread, lambda: load(config, worker))
        connection.send(Answer(value=os.getpid(), error=loaded.error))
        if loaded.value is None:
            return
        judge = InProcess(loaded.value, entered=lambda stage: connection.send(Entered(stage)))
        while (order := next_order(connection)) is not None:
            connection.send(_obey(thread, judge, order, worker))


def _obey(thread: ThreadPoolExecutor, judge: InProcess, order: Order, worker: AskedWorker) -> Answer[Any]:
    """Do what the worker asks."""
    seconds: dict[str, float] = {}

    def action() -> object:
        if order.error is None:
            return judge(order.path, wanted=order.wanted, seconds=seconds, earlier=worker.earlier)
        return judge.not_judged(order.path, order.error)

    return replace(answer_of(thread, action), seconds=seconds)
