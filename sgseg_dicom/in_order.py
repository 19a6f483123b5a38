"""Several things are done at once, and their results come in order."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(do: Callable[[T], R], things: Sequence[T], *, at_once: int) -> Iterator[tuple[T, Future[R]]]:
    """
    Do something with each of *things* in *at_once* threads; give each thing with its result, in order.

    At most twice as many are begun as threads before their results are taken: results may be large. A caller that
    stops early leaves what has not begun undone.
    """
    with ThreadPoolExecutor(at_once, thread_name_prefix="at once") as pool:
        begun: deque[tuple[T, Future[R]]] = deque()
        try:
            for thing in things:
                begun.append((thing, pool.submit(do, thing)))
                if len(begun) >= 2 * at_once:
                    yield _finished(begun)
            while begun:
                yield _finished(begun)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _finished(begun: "deque[tuple[T, Future[R]]]") -> tuple[T, Future[R]]:
    thing, future = begun.popleft()
    future.exception()  # wait
    return thing, future
