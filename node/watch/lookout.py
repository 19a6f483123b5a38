"""What is wrong with the node now, and how much went wrong since it began: what a person may be told of."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from node.jobs import Ending, Sent
from node.service.status_page import Health
from node.store.fsync import storage
from node.store.store import Store
from node.tls.certificates import WARN_DAYS
from node.watch.certificates import ends_of_certificates
from node.watch.counts import Counted, Figure, read_counts
from sgseg_dicom.config import Config
from sgseg_dicom.errors import StorageUnavailable
from sgseg_dicom.watching import Trouble

_DAY_SECONDS = 86400
_SETTLED_SECONDS = 60.0
"""After so long without a problem, deliveries that wait have been tried."""
_MUST_LAST = (Trouble.NOT_READY, Trouble.DESTINATION_DOWN, Trouble.DISK)
"""What may be over in a moment: only what lasts [notify] after_minutes is told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lasting:
    """
    Something that is wrong now.

    Attributes:
        trouble: what it is.
        subject: whose: a destination, a certificate; "" where it is the node's.
        words: a sentence for people, without patient data.
    """

    trouble: Trouble
    subject: str = ""
    words: str

    @property
    def key(self) -> str:
        """What tells it from others."""
        return f"{self.trouble.value} {self.subject}".strip()


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """
    What is to be seen.

    Attributes:
        lasting: what is wrong now, and has lasted.
        happened: how often it has happened since the store began.
        is_settled: whether what is not seen is over. A worker that starts knows of no destination that is down.
    """

    lasting: tuple[Lasting, ...] = ()
    happened: Mapping[Trouble, int] = field(default_factory=dict)
    is_settled: bool = True


class Lookout:
    """
    Looks at everything of which somebody may be told.

    Args:
        config: gives the settings of now.
        store: of the node.
        health: looks what a sender would get now.
        clock: seconds that only increase.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        store: Store,
        *,
        health: Callable[[], Health],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._store, self._health, self._clock = config, store, health, clock
        self._since: dict[str, float] = {}
        self._well_since = math.inf

    def __call__(self) -> Sight:
        """Look."""
        config, health, now = self._config(), self._health(), self._clock()
        self._well_since = math.inf if health.problems else min(self._well_since, now)
        found = {one.key: one for one in self._found(config, health)}
        self._since = {key: self._since.get(key, now) for key in found}
        patience = config.notify.after_minutes * 60
        lasting = tuple(
            one
            for key, one in found.items()
            if one.trouble not in _MUST_LAST or now - self._since[key] >= patience
        )
        happened = _happened(read_counts(self._store.folder))
        is_settled = now - self._well_since >= _SETTLED_SECONDS
        return Sight(lasting=lasting, happened=happened, is_settled=is_settled)

    def _found(self, config: Config, health: Health) -> Iterator[Lasting]:
        if health.problems:
            words = f"images cannot be taken or judged: {'; '.join(health.problems)}"
            yield Lasting(trouble=Trouble.NOT_READY, words=words)
        for one in health.degraded:
            yield Lasting(trouble=one.trouble, subject=one.subject, words=one.words)
        yield from self._disk(config)
        for name, end in ends_of_certificates(config).items():
            days = (end - time.time()) / _DAY_SECONDS
            if days < WARN_DAYS:
                words = f"our certificate ({name}) ends in {days:.0f} days; put a new one in its place"
                if days < 0:
                    words = f"our certificate ({name}) has ended: peers refuse us; put a new one in its place"
                yield Lasting(trouble=Trouble.CERTIFICATE, subject=name, words=words)

    def _disk(self, config: Config) -> Iterator[Lasting]:
        least = config.store.min_free_megabytes
        try:
            with storage(self._store.folder):
                free = self._store.free_bytes() >> 20
        except StorageUnavailable as error:
            yield Lasting(trouble=Trouble.DISK, words=str(error))
            return
        if free < 2 * least:
            yield Lasting(
                trouble=Trouble.DISK,
                words=f"{free} MB are free in the store; below {least} MB images are refused: make room",
            )


def _happened(counts: Counted) -> dict[Trouble, int]:
    """Count what a person must look at."""
    failed = quarantined = 0.0
    for (figure, labels), number in counts.items():
        if figure is Figure.RESULTS:
            failed += number * (labels[0] == Ending.FAILED)
            quarantined += number * (labels[0] == Ending.QUARANTINED)
        elif figure is Figure.DELIVERIES:
            failed += number * (labels[1] in (Sent.REFUSED, Sent.FAILED))
    return {Trouble.FAILED: int(failed), Trouble.QUARANTINED: int(quarantined)}
