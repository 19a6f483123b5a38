"""One judging process, as the worker sees it: it can be asked, watched and killed."""

import multiprocessing
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from node.failures import ImageTooSlow, ProcessDied
from node.judge.child import Load, serve
from node.judge.messages import GRANTED, Answer, Entered, Need, Order, Returned
from node.judge.shares import SharedOut
from sgseg_dicom.config import Config

_TICK_SECONDS = 0.05
"""How often the memory is looked at while an image is in work."""
_START_SECONDS = 600.0
"""How long a process may load and warm up; a GPU compiles its kernels at the first start."""
_PAGE = 4096


class JudgingProcess:
    """
    Starts a process. `wait_ready` must be called once, then `ask` from one thread at a time.

    Args:
        context: how processes are made.
        config: the settings.
        load: gives the pipeline, in the process.
    """

    def __init__(self, context: ForkServerContext, config: Config, load: Load) -> None:
        self._connection, theirs = multiprocessing.Pipe()
        self._seconds = config.queue.image_seconds
        lifeline, self._lifeline = multiprocessing.Pipe(duplex=False)
        self._process = context.Process(
            target=serve, args=(theirs, lifeline, config.to_json(), load), daemon=True
        )
        self._process.start()
        theirs.close()
        lifeline.close()
        self._bytes_at_start: int | None = None
        self.stage = "start"

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid or 0

    @property
    def is_alive(self) -> bool:
        """False after it has ended."""
        return self._process.is_alive()

    @property
    def is_able(self) -> bool:
        """True while it takes orders, or works at one."""
        return self._bytes_at_start is not None and self.is_alive

    @property
    def grown_bytes(self) -> int:
        """How much memory it has taken for images since it was ready."""
        if self._bytes_at_start is None:
            return 0
        return max(0, _anonymous_bytes(self.pid) - self._bytes_at_start)

    def wait_ready(self, shares: SharedOut) -> None:
        """
        Wait until it takes orders.

        Raises:
            SgsegError: the pipeline cannot be loaded; as `load` raised it.
            ProcessDied: it ended before.
            ImageTooSlow: it hung.
        """
        answer = self._answer(shares, seconds=_START_SECONDS)
        if answer.error is not None:
            raise answer.error
        self._bytes_at_start = _anonymous_bytes(self.pid)

    def ask(
        self, order: Order, *, shares: SharedOut, watch: "Callable[[JudgingProcess], None]"
    ) -> Answer[Any]:
        """
        Give an order and wait for its answer. What the process waits for a share does not count as its time.

        Args:
            order: what to do.
            shares: what all processes share.
            watch: called again and again during that time; it may raise, and the process must be killed then.

        Raises:
            ImageTooSlow: no answer within [queue] image_seconds. The process must be killed.
            ProcessDied: it ended.
        """
        with suppress(ConnectionError):  # it has ended: the answer will say how
            self._connection.send(order)
        return self._answer(shares, seconds=self._seconds, watch=watch)

    def _answer(
        self,
        shares: SharedOut,
        *,
        seconds: float,
        watch: "Callable[[JudgingProcess], None]" = lambda process: None,
    ) -> Answer[Any]:
        taken: list[Need] = []
        deadline = time.monotonic() + seconds
        try:
            while True:
                if self._connection.poll(_TICK_SECONDS):
                    message = self._connection.recv()
                    if isinstance(message, Answer):
                        return message
                    deadline += self._serve(message, shares, taken)
                watch(self)
                if time.monotonic() > deadline:
                    raise ImageTooSlow(
                        f"no answer after {seconds:g} s, in stage '{self.stage}' ([queue] image_seconds); the "
                        "process was killed"
                    )
        except (EOFError, ConnectionError) as error:
            raise ProcessDied(f"the process ended in stage '{self.stage}' ({self._end()})") from error
        finally:
            for need in taken:
                shares.give_back(need)

    def _serve(self, message: Entered | Need | Returned, shares: SharedOut, taken: list[Need]) -> float:
        """Do what the process asks for; give the time that it waited, in seconds."""
        if isinstance(message, Entered):
            self.stage = message.stage
        elif isinstance(message, Need):
            began = time.monotonic()
            shares.take(message)
            taken.append(message)
            self._connection.send(GRANTED)
            return time.monotonic() - began
        else:
            need = next(need for need in taken if need.share is message.share)
            taken.remove(need)
            shares.give_back(need)
        return 0.0

    def kill(self) -> None:
        """End it now, whatever it does."""
        self._process.kill()
        self._process.join(5.0)

    def _end(self) -> str:
        """Say how it ended."""
        self._process.join(5.0)
        code = self._process.exitcode
        if code is None or code >= 0:
            return f"exit status {code}"
        return f"signal {signal.Signals(-code).name}"


def _anonymous_bytes(pid: int) -> int:
    """Give the memory of a process that no file backs, in bytes (proc(5), statm); 0 after its end."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text("ascii").split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * _PAGE
