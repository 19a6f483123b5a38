"""One judging process, as the worker sees it: it can be asked, watched and killed."""

import math
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from node.failures import ImageTooSlow, ProcessDied
from node.judge.child import Load, serve
from node.judge.messages import GRANTED, Answer, AskEarlier, Entered, Need, Order, Returned, Share
from node.judge.shares import SharedOut
from sgseg_dicom.comparison.films import Earlier, no_earlier
from sgseg_dicom.config import Config
from sgseg_dicom.errors import SgsegError

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
        self._inference_seconds = config.queue.inference_seconds
        lifeline, self._lifeline = multiprocessing.Pipe(duplex=False)
        self._process = context.Process(
            target=serve, args=(theirs, lifeline, config.to_json(), load), daemon=True
        )
        with _signals_held():
            self._process.start()
        theirs.close()
        lifeline.close()
        self._bytes_at_start: int | None = None
        self._bytes_before: int | None = None
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
    def taken_bytes(self) -> int:
        """How much memory the image in work has taken; 0 without one."""
        return self._grown_since(self._bytes_before)

    @property
    def kept_bytes(self) -> int:
        """How much memory it has kept of all images since it was ready."""
        return self._grown_since(self._bytes_at_start)

    def _grown_since(self, before: int | None) -> int:
        return 0 if before is None else max(0, _anonymous_bytes(self.pid) - before)

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
        self,
        order: Order,
        *,
        shares: SharedOut,
        watch: "Callable[[JudgingProcess], None]",
        earlier: Earlier = no_earlier,
    ) -> Answer[Any]:
        """
        Give an order and wait for its answer. What the process waits for a share does not count as its time.

        Args:
            order: what to do.
            shares: what all processes share.
            watch: called again and again during that time; it may raise, and the process must be killed then.
            earlier: gives the films of the same patient that were judged before.

        Raises:
            ImageTooSlow: no answer within [queue] image_seconds, or inference_seconds in the model. The process must
                be killed.
            ProcessDied: it ended.
        """
        self._bytes_before = _anonymous_bytes(self.pid)
        try:
            with suppress(ConnectionError):  # it has ended: the answer will say how
                self._connection.send(order)
            return self._answer(shares, seconds=self._seconds, watch=watch, earlier=earlier)
        finally:
            self._bytes_before = None

    def _answer(
        self,
        shares: SharedOut,
        *,
        seconds: float,
        watch: "Callable[[JudgingProcess], None]" = lambda process: None,
        earlier: Earlier = no_earlier,
    ) -> Answer[Any]:
        taken: dict[Share, Need] = {}
        limits = _Limits(seconds)
        try:
            while True:
                if self._connection.poll(_TICK_SECONDS):
                    message = self._connection.recv()
                    if isinstance(message, Answer):
                        return message
                    if isinstance(message, AskEarlier):
                        self._connection.send(_earlier_or_error(earlier, message))
                    else:
                        self._serve(message, shares, taken, limits)
                watch(self)
                if why := limits.why_over():
                    raise ImageTooSlow(f"{why}, in stage '{self.stage}'; its process was killed")
        except (EOFError, ConnectionError) as error:
            raise ProcessDied(f"the process ended in stage '{self.stage}' ({self._end()})") from error
        finally:
            for need in taken.values():
                shares.give_back(need)

    def _serve(
        self,
        message: Entered | Need | Returned,
        shares: SharedOut,
        taken: dict[Share, Need],
        limits: "_Limits",
    ) -> None:
        """Do what the process asks for."""
        if isinstance(message, Entered):
            self.stage = message.stage
        elif isinstance(message, Need):
            began = time.monotonic()
            shares.take(message)
            taken[message.share] = message
            limits.leave_out(time.monotonic() - began)
            if message.share is Share.INFERENCE:
                limits.begin_inference(self._inference_seconds)
            self._connection.send(GRANTED)
        else:
            shares.give_back(taken.pop(message.share))
            limits.end_inference()

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


def _earlier_or_error(earlier: Earlier, asked: AskEarlier) -> object:
    """Give the earlier films, or the error for which the process ends its order."""
    try:
        return earlier(asked.film)
    except SgsegError as error:
        return error


class _Limits:
    """When an order has taken too long."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._inference_seconds = self._inference_deadline = math.inf

    def leave_out(self, seconds: float) -> None:
        """Do not count a time that the process waited for others."""
        self._deadline += seconds

    def begin_inference(self, seconds: float) -> None:
        """All others wait for the model from now on."""
        self._inference_seconds, self._inference_deadline = seconds, time.monotonic() + seconds

    def end_inference(self) -> None:
        """The model is free."""
        self._inference_deadline = math.inf

    def why_over(self) -> str:
        """Say which limit is over; "" where none is."""
        now = time.monotonic()
        if now > self._inference_deadline:
            return (
                f"the model gave no answer within {self._inference_seconds:g} s ([queue] inference_seconds)"
            )
        if now > self._deadline:
            return f"no answer within {self._seconds:g} s ([queue] image_seconds)"
        return ""


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


def _anonymous_bytes(pid: int) -> int:
    """Give the memory of a process that no file backs, in bytes (proc(5), statm); 0 after its end."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text("ascii").split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * _PAGE
