"""
Tells a webhook and a mailbox what goes wrong. One thread looks, one tells each of them: none waits for another, and
nothing of the node waits for any of them.
"""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import structlog

from node.watch.lookout import Lookout, Sight
from node.watch.mail import Mail
from node.watch.message import Channel, Message, NotTold
from node.watch.notified import News, Notified, read_notified, write_notified
from node.watch.webhook import Webhook
from sgseg_dicom.config import Config
from sgseg_dicom.errors import ConfigError
from sgseg_dicom.watching import Notify

log = structlog.get_logger(__name__)

SECONDS = 10.0
"""Between two looks."""

_LONGEST_PAUSE = 300.0
"""After attempts that failed, in seconds."""


def _wants_webhook(settings: Notify) -> bool:
    return bool(settings.webhook_url)


def _wants_mail(settings: Notify) -> bool:
    return bool(settings.email_to)


_WANTED = (_wants_webhook, _wants_mail)


class Teller:
    """
    Tells one of the two. What could not be told is tried again, as long as it is wrong.

    Args:
        name: "webhook" or "email".
        config: gives the settings of now.
        file: in which it notes what was told.
        channel: gives the way to it by settings.
        clock: POSIX time, in seconds.
    """

    def __init__(
        self,
        name: str,
        config: Callable[[], Config],
        file: Path,
        *,
        channel: Callable[[Notify], Channel],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._name, self._config, self._file, self._channel = name, config, file, channel
        self._clock = clock
        self._notified: Notified = read_notified(file)
        self._waiting: dict[tuple[str, str], Message] = {}
        self._pause, self._failing = 0.0, False

    def tell(self, sight: Sight) -> float:
        """Tell what is new; give the seconds after which to try again."""
        config, before = self._config(), self._notified
        self._notified = self._notified.begun(sight)
        try:
            for news in tuple(self._notified.news(sight, config.notify, now=self._clock())):
                self._send(config, news)
            self._note_well()
        except (NotTold, ConfigError) as error:
            self._note_failure(str(error))
        finally:
            if self._notified != before:
                write_notified(self._file, self._notified)
        return max(SECONDS, self._pause)

    def _send(self, config: Config, news: News) -> None:
        now, key = self._clock(), (news.key, news.state.value)
        message = self._waiting.get(key) or Message(
            id=uuid4().hex,
            at=now,
            node=f"{config.receive.ae_title} on {socket.gethostname()}",
            trouble=news.trouble,
            subject=news.subject,
            state=news.state,
            words=news.words,
            number=news.number,
        )
        self._waiting = {key: message}
        self._channel(config.notify).send(message)
        self._waiting.clear()
        self._notified = self._notified.with_notified(news, now=now)
        log.info("notified", channel=self._name, about=message.title)

    def _note_well(self) -> None:
        if self._failing:
            log.info("notified_again", channel=self._name)
        self._pause, self._failing = 0.0, False

    def _note_failure(self, why: str) -> None:
        if not self._failing:
            log.warning("not_notified", channel=self._name, detail=f"{why}; it is tried again")
        self._pause, self._failing = min(max(SECONDS, 2 * self._pause), _LONGEST_PAUSE), True


class Tellers:
    """
    The threads. They end with the process, in the middle of whatever they do.

    Args:
        config: gives the settings of now.
        folder: the store's.
        lookout: looks.
    """

    def __init__(self, config: Callable[[], Config], folder: Path, lookout: Lookout) -> None:
        self._config, self._lookout = config, lookout
        self._sight: Sight | None = None
        self._stopped = threading.Event()
        webhook = Teller("webhook", config, folder / "notified-webhook.json", channel=Webhook)
        email = Teller("email", config, folder / "notified-email.json", channel=Mail)
        self._works = [
            self._look,
            lambda: self._tell(webhook, is_wanted=_wants_webhook),
            lambda: self._tell(email, is_wanted=_wants_mail),
        ]

    def start(self) -> None:
        """Begin."""
        for work in self._works:
            threading.Thread(target=work, daemon=True).start()

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopped.set()

    def _look(self) -> None:
        while not self._stopped.wait(SECONDS):
            if any(is_wanted(self._config().notify) for is_wanted in _WANTED):  # a look costs an association
                self._sight = self._lookout()

    def _tell(self, teller: Teller, *, is_wanted: Callable[[Notify], bool]) -> None:
        pause = SECONDS
        while not self._stopped.wait(pause):
            pause = SECONDS
            if self._sight is not None and is_wanted(self._config().notify):
                pause = teller.tell(self._sight)
