"""What somebody was told, and what is to be told now: a trouble that comes and goes is told once in a while."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from node.store.own_files import write_own
from node.watch.lookout import Sight
from node.watch.message import State
from sgseg_dicom.watching import Notify, Trouble


@dataclass(frozen=True, kw_only=True, slots=True)
class News:
    """
    Something that is to be told.

    Attributes:
        key: what tells it from others.
        trouble, subject, state, words, number: see `node.watch.message.Message`.
        total: how often it has happened since the store began.
    """

    key: str
    trouble: Trouble
    subject: str
    state: State
    words: str
    number: int = 0
    total: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Notified:
    """
    What a webhook or a mailbox was told, in the store: a restart repeats nothing.

    Attributes:
        lasting: by the key of the trouble, when (POSIX time, in seconds).
        open: keys of those whose end was not told yet.
        totals: by trouble, how often it had happened when that was told.
        totals_at: by trouble, when that was told.
    """

    lasting: Mapping[str, float] = field(default_factory=dict)
    open: tuple[str, ...] = ()
    totals: Mapping[str, int] = field(default_factory=dict)
    totals_at: Mapping[str, float] = field(default_factory=dict)

    def begun(self, sight: Sight) -> "Notified":
        """Count what happens from now on: what happened before the first look is not told, nor are lost numbers."""
        seen = {trouble.value: number for trouble, number in sight.happened.items()}
        known = {trouble: min(self.totals.get(trouble, number), number) for trouble, number in seen.items()}
        return replace(self, totals=known)

    def news(self, sight: Sight, settings: Notify, *, now: float) -> Iterator[News]:
        """Give what is to be told now."""
        pause = settings.repeat_minutes * 60
        for one in sight.lasting:
            if one.trouble in settings.events and _is_over(self.lasting.get(one.key), pause, now):
                state = State.LASTS if one.key in self.open else State.BEGINS
                yield News(
                    key=one.key, trouble=one.trouble, subject=one.subject, state=state, words=one.words
                )
        current = {one.key for one in sight.lasting}
        for key in self.open if sight.is_settled else ():
            trouble, _, subject = key.partition(" ")
            if key not in current and trouble in settings.events:
                yield News(
                    key=key, trouble=Trouble(trouble), subject=subject, state=State.OVER, words="It is over."
                )
        for trouble, total in sight.happened.items():
            number = total - self.totals.get(trouble.value, total)
            if trouble not in settings.events or number <= 0:
                continue
            if _is_over(self.totals_at.get(trouble.value), pause, now):
                yield _happened(trouble, number, total)

    def with_notified(self, news: News, *, now: float) -> "Notified":
        """Note that somebody was told."""
        if news.state is State.HAPPENED:
            return replace(
                self,
                totals={**self.totals, news.key: news.total},
                totals_at={**self.totals_at, news.key: now},
            )
        others = tuple(key for key in self.open if key != news.key)
        if news.state is State.OVER:
            return replace(self, open=others)
        return replace(self, lasting={**self.lasting, news.key: now}, open=(*others, news.key))


def _is_over(at: float | None, pause: float, now: float) -> bool:
    """Say whether a pause since *at* has passed; a clock that was set back makes none longer."""
    return abs(now - (-math.inf if at is None else at)) >= pause


def _happened(trouble: Trouble, number: int, total: int) -> News:
    what = {
        Trouble.FAILED: f"{number} images or deliveries failed; see `sgseg-node status --failed`",
        Trouble.QUARANTINED: f"{number} images were quarantined; see `sgseg-node quarantine`",
    }[trouble]
    return News(
        key=trouble.value,
        trouble=trouble,
        subject="",
        state=State.HAPPENED,
        words=what,
        number=number,
        total=total,
    )


def read_notified(file: Path) -> Notified:
    """Give what was written last; nothing where it cannot be read."""
    try:
        found = json.loads(file.read_text("utf-8"))
        return Notified(**{**found, "open": tuple(found["open"])})
    except (OSError, ValueError, TypeError, KeyError):
        return Notified()


def write_notified(file: Path, notified: Notified) -> None:
    """Replace what was written. Where the disk is full, a restart tells again."""
    unfinished = file.with_suffix(".new")
    with suppress(OSError):
        write_own(unfinished, json.dumps(asdict(notified)).encode())
        unfinished.replace(file)
