"""
What Prometheus reads at /metrics, in its text format. Names and units follow its conventions
(https://prometheus.io/docs/practices/naming/).

Counters come from `node.watch.counts`: they outlive a restart. No label has a value of a patient.
"""

import math
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from node.jobs import Ending, Sent
from node.service.status_page import Health
from node.store.store import Store
from node.watch.certificates import ends_of_certificates
from node.watch.counting import STATUSES
from node.watch.counts import BUCKETS, Counted, Figure, Labels, read_counts
from node.watch.memory import memory_of
from sgseg_dicom.config import Config

_CLASSES = [*(f"{bound:g}" for bound in BUCKETS), "inf"]
_FINAL = (Sent.DELIVERED, Sent.REFUSED, Sent.FAILED)


class Metrics:
    """
    Gives the metrics of now; safe to call from many threads.

    Args:
        config: gives the settings of now.
        store: of the node.
        health: what was found a short while ago.
        pids: gives the processes by name: "receive", "work".
    """

    def __init__(
        self,
        config: Callable[[], Config],
        store: Store,
        *,
        health: Callable[[], Health],
        pids: Callable[[], Mapping[str, int]],
    ) -> None:
        self._config, self._store, self._health, self._pids = config, store, health, pids
        self._registry = CollectorRegistry()
        self._registry.register(self)  # type: ignore[arg-type]  # `collect` is all that it asks for

    def __call__(self) -> str:
        """Give them as text."""
        text: bytes = generate_latest(self._registry)
        return text.decode()

    def collect(self) -> Iterator[Metric]:
        """Give all of them."""
        health, counts, config = self._health(), read_counts(self._store.folder), self._config()
        names = [one.name for one in config.destination]
        yield from _counters(counts, names)
        yield from _histograms(counts)
        yield from _queue(health)
        yield from _destinations(health, names)
        yield from self._machine(config)
        yield from _state(health)

    def _machine(self, config: Config) -> Iterator[Metric]:
        free, least = self._store.free_bytes(), config.store.min_free_megabytes << 20
        yield _gauge("sgseg_disk_free_bytes", "Free space where the store is.", free)
        yield _gauge("sgseg_disk_min_free_bytes", "Below so much free space, images are refused.", least)
        memory = GaugeMetricFamily(
            "sgseg_process_memory_bytes",
            "Memory that no file backs. 'judges' are the processes of the worker together.",
            labels=["process"],
        )
        for name, used in memory_of({"supervisor": os.getpid(), **self._pids()}).items():
            memory.add_metric([name], used)
        yield memory
        ends = GaugeMetricFamily(
            "sgseg_certificate_end_timestamp_seconds",
            "Until when our certificates are valid: of the receiver, and for each destination.",
            labels=["certificate"],
        )
        for name, end in ends_of_certificates(config).items():
            ends.add_metric([name], end)
        yield ends


def _counters(counts: Counted, destinations: Iterable[str]) -> Iterator[Metric]:
    """Give what has happened. A number that may stand still at 0 is there from the beginning: a rate needs it."""
    yield _counter(
        "sgseg_received",
        "Images that were taken, by the sender's AE title. known: it came again. conflicting: 0111.",
        ("station", "how"),
        _of(counts, Figure.RECEIVED),
    )
    yield _counter(
        "sgseg_refused",
        "Images that were not taken, and associations that were rejected.",
        ("what", "reason"),
        {("image", words): 0.0 for words in STATUSES.values()} | _of(counts, Figure.REFUSED),
    )
    by_station = _of(counts, Figure.RESULTS)
    by_ending: dict[Labels, float] = {(ending.value,): 0.0 for ending in Ending}
    for (ending, _), number in by_station.items():
        by_ending[(ending,)] = by_ending.get((ending,), 0.0) + number
    yield _counter(
        "sgseg_results", "Images that have ended, by the way in which they ended.", ("ending",), by_ending
    )
    yield _counter(
        "sgseg_station_results",
        "The same by the AE title of the sender.",
        ("ending", "station"),
        by_station,
    )
    yield _counter(
        "sgseg_not_judged",
        "Images that were not judged, by the reason that the status shows.",
        ("reason",),
        _of(counts, Figure.NOT_JUDGED),
    )
    none = {(name, state.value): 0.0 for name in destinations for state in _FINAL}
    yield _counter(
        "sgseg_deliveries",
        "Deliveries that have ended. failed: given up.",
        ("destination", "state"),
        none | _of(counts, Figure.DELIVERIES),
    )


def _histograms(counts: Counted) -> Iterator[Metric]:
    stages = HistogramMetricFamily(
        "sgseg_stage_seconds",
        "Time of each stage. wait: from the last byte to the first stage. deliver: the last attempt.",
        labels=["stage"],
    )
    sums = _of(counts, Figure.STAGE_SECONDS)
    by_stage: dict[str, dict[str, float]] = defaultdict(dict)
    for (stage, bound), number in _of(counts, Figure.STAGE).items():
        by_stage[stage][bound] = number
    for stage, numbers in sorted(by_stage.items()):
        stages.add_metric([stage], _buckets(numbers), sum_value=sums.get((stage,), 0.0))
    yield stages
    numbers = {bound: number for (bound,), number in _of(counts, Figure.ANSWER).items()}
    yield HistogramMetricFamily(
        "sgseg_answer_seconds",
        "Time from an image's last byte to its results on disk.",
        buckets=_buckets(numbers),
        sum_value=_of(counts, Figure.ANSWER_SECONDS).get((), 0.0),
    )


def _queue(health: Health) -> Iterator[Metric]:
    depth = GaugeMetricFamily("sgseg_queue_depth", "Images without an answer.", labels=["state"])
    for state in ("waiting", "working"):
        depth.add_metric([state], health.counts.get(state, 0))
    yield depth
    oldest = health.waiting.oldest
    yield _gauge(
        "sgseg_queue_oldest_seconds",
        "For how long the oldest image without an answer has waited; 0 where none waits.",
        max(0.0, time.time() - oldest) if oldest else 0.0,
    )
    held = GaugeMetricFamily(
        "sgseg_quarantined", "What lies in the quarantine and nobody has acknowledged.", labels=["what"]
    )
    for what in ("images", "results"):
        held.add_metric([what], health.counts.get(f"{what} in quarantine", 0))
    yield held


def _destinations(health: Health, names: Iterable[str]) -> Iterator[Metric]:
    waiting = GaugeMetricFamily(
        "sgseg_delivery_waiting", "Results that wait for the destination.", labels=["destination"]
    )
    oldest = GaugeMetricFamily(
        "sgseg_delivery_oldest_seconds", "For how long the oldest of them has waited.", labels=["destination"]
    )
    is_up = GaugeMetricFamily(
        "sgseg_destination_up",
        "0 while the destination is known to be down. It is asked when there is something to send.",
        labels=["destination"],
    )
    for name in names:
        number, since = health.waiting.deliveries.get(name, (0, math.inf))
        state = health.worker.destinations.get(name)
        waiting.add_metric([name], number)
        oldest.add_metric([name], max(0.0, time.time() - since))
        is_up.add_metric([name], 0 if state and not state.is_up else 1)
    yield from (waiting, oldest, is_up)


def _state(health: Health) -> Iterator[Metric]:
    yield _gauge("sgseg_ready", "1 where /ready says 200: images are taken and judged.", not health.problems)
    yield _gauge(
        "sgseg_degraded",
        "1 while a destination is down, or something waits longer than [watch] waiting_minutes.",
        bool(health.degraded),
    )
    if health.worker.model:
        model = {name: str(value) for name, value in health.worker.model.items()}
        yield InfoMetricFamily("sgseg_model", "The model that judges, and what runs it.", value=model)


def _of(counts: Counted, figure: Figure) -> dict[Labels, float]:
    return {labels: number for (found, labels), number in sorted(counts.items()) if found is figure}


def _counter(name: str, text: str, labels: Labels, values: Mapping[Labels, float]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for value, number in values.items():
        family.add_metric(value, number)
    return family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _buckets(numbers: Mapping[str, float]) -> list[tuple[str, float]]:
    """Give the classes as Prometheus has them: each with all smaller ones."""
    sums = accumulate(numbers.get(bound, 0.0) for bound in _CLASSES)
    return [(bound.replace("inf", "+Inf"), total) for bound, total in zip(_CLASSES, sums, strict=True)]
