"""The model's process: it judges one batch after the other, until the worker ends. It imports no pipeline."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from node.judge.child_life import answer_of, begin, next_order
from node.judge.messages import Answer, Loaded
from sgseg_dicom.config import Config

if TYPE_CHECKING:
    from sgseg_dicom.inference.segmenter import Judge

LoadModel = Callable[[Config], "Judge"]
"""Gives the network, warm."""


def serve_model(
    connection: "Connection[Any, Any]", lifeline: "Connection[Any, Any]", settings: str, load: LoadModel
) -> None:
    """
    Load the model, report that it is ready, and judge batches: the whole life of the process.

    Args:
        connection: to the worker.
        lifeline, settings: as of `node.judge.child_life.begin`.
        load: gives the network.
    """
    config = begin(lifeline, settings)
    with ThreadPoolExecutor(1, thread_name_prefix="model") as thread:  # CUDA and OpenMP keep state by thread
        loaded = answer_of(thread, lambda: load(config))
        network = loaded.value
        if network is None:
            connection.send(loaded)
            return
        about = Loaded(algorithm=network.algorithm, runtime=network.runtime, max_batch=network.max_batch)
        connection.send(Answer(value=about))
        while (batch := next_order(connection)) is not None:
            connection.send(answer_of(thread, lambda: network.judge_each(batch.inputs)))
