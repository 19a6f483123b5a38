"""A process of the worker, as the worker sees it: it can be written to, listened to and killed."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.context import ForkServerContext, SpawnContext
from typing import Any

from node.failures import ProcessDied


class ChildProcess:
    """
    Starts a process.

    Args:
        context: how processes are made.
        target: what it runs, with its end of the connection, its lifeline (`node.judge.child_life`) and *arguments*.
        arguments: for *target*.
    """

    def __init__(
        self, context: ForkServerContext | SpawnContext, target: Callable[..., None], *arguments: object
    ) -> None:
        self._connection, theirs = multiprocessing.Pipe()
        lifeline, self._lifeline = multiprocessing.Pipe(duplex=False)
        self._process = context.Process(target=target, args=(theirs, lifeline, *arguments), daemon=True)
        with _signals_held():
            self._process.start()
        theirs.close()
        lifeline.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid or 0

    @property
    def is_alive(self) -> bool:
        """False after it has ended."""
        return self._process.is_alive()

    def send(self, message: object) -> None:
        """Write to it. If it has ended, `receive` will say how."""
        with suppress(ConnectionError):
            self._connection.send(message)

    def has_answered(self, *, within: float) -> bool:
        """Wait at most so many seconds for a message of it, or for its end."""
        return self._connection.poll(within)

    def receive(self, *, doing: str) -> Any:
        """
        Give the next message.

        Raises:
            ProcessDied: it ended; the message says how, and what it was *doing*.
        """
        try:
            return self._connection.recv()
        except (EOFError, ConnectionError) as error:
            raise ProcessDied(f"the process ended {doing} ({self._end()})") from error

    def kill(self) -> None:
        """End it now, whatever it does."""
        self._lifeline.close()  # where the fork server has died, multiprocessing takes its children for dead
        self._process.kill()
        self._process.join(5.0)

    def _end(self) -> str:
        """Say how it ended."""
        self._process.join(5.0)
        code = self._process.exitcode
        if code is None or code >= 0:
            return f"exit status {code}"
        return f"signal {signal.Signals(-code).name}"


@contextmanager
def _signals_held() -> Iterator[None]:
    """
    Hold SIGTERM and SIGINT back from what is started here: a process inherits what is blocked.

    systemd and Ctrl-C signal the whole group. The fork server must live until the images in work have come to their
    end: multiprocessing takes its children for dead when it dies.
    """
    resource_tracker.ensure_running()  # its own start would end the holding
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
