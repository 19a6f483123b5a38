"""What Prometheus reads: every name by its conventions, and every number that of the node."""

import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from node.service.status_page import METRICS_TYPE, Health, Page, build
from node.store.store import open_store
from node.watch.counts import Figure
from node.watch.degraded import Degradation
from node.watch.metrics import Metrics
from node.watch.tally import Tally
from node.watch.worker_state import DestinationState, WorkerState
from node.work.queue import Waiting
from sgseg_dicom.config import Config
from sgseg_dicom.watching import Trouble
from tests.support.certificates import authority, certificate

WELL = Health(problems=(), address="SGSEG at 127.0.0.1:1", destinations=("PACS",))
Node = Callable[..., Metrics]
PACS = {"name": "PACS", "ae_title": "PACS", "host": "127.0.0.1", "port": 104}


@pytest.fixture
def config(configure: Callable[..., Config]) -> Config:
    return configure(destination=[PACS])


@pytest.fixture
def node(config: Config) -> Node:
    """Give the metrics of a store, with a state of the node."""
    store = open_store(config)

    def metrics(health: Health = WELL, **pids: int) -> Metrics:
        return Metrics(lambda: config, store, health=lambda: health, pids=lambda: pids)

    return metrics


def values(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Give each number by its name and the values of its labels, sorted by the labels' names."""
    families = text_string_to_metric_families(metrics())
    samples = [sample for family in families for sample in family.samples]
    return {(one.name, *(one.labels[key] for key in sorted(one.labels))): one.value for one in samples}


def counted(folder: Path) -> Tally:
    tally = Tally(folder)
    tally.count(Figure.RECEIVED, "CT1", "new", number=3)
    tally.count(Figure.REFUSED, "image", "out of resources")
    tally.count(Figure.RESULTS, "finding", "CT1")
    tally.count(Figure.RESULTS, "finding", "CT2")
    tally.count(Figure.NOT_JUDGED, "lateral-view")
    tally.count(Figure.DELIVERIES, "PACS", "delivered")
    for seconds in (0.2, 0.3, 9999.0):
        tally.time(Figure.STAGE, Figure.STAGE_SECONDS, "infer", seconds=seconds)
        tally.time(Figure.ANSWER, Figure.ANSWER_SECONDS, seconds=seconds)
    tally.write()
    return tally


def test_the_names_are_those_that_prometheus_expects(node, config):
    """
    `promtool check metrics` finds nothing to say, with every metric there.
    """
    counted(config.store.folder)
    model = {"name": "SGSeg", "version": "1", "weights": "0" * 64, "runtime": "OpenVINO"}
    text = node(replace(WELL, worker=WorkerState(model=model)))()
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed; make check installs it")

    checked = subprocess.run(
        [program, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60, check=False
    )

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    assert "sgseg_model_info{" in text


def test_what_was_counted_is_shown(node, config):
    """
    By station and ending; what has not happened yet is 0 where a rate is asked of it.
    """
    counted(config.store.folder)
    found = values(node())

    assert found["sgseg_received_total", "new", "CT1"] == 3
    assert found["sgseg_refused_total", "out of resources", "image"] == 1
    assert found["sgseg_results_total", "finding"] == 2
    assert found["sgseg_results_total", "failed"] == 0
    assert found["sgseg_station_results_total", "finding", "CT2"] == 1
    assert found["sgseg_not_judged_total", "lateral-view"] == 1
    assert found["sgseg_deliveries_total", "PACS", "delivered"] == 1
    assert found["sgseg_deliveries_total", "PACS", "refused"] == 0


def test_times_are_histograms_that_outlive_a_restart(node, config):
    """
    Each class has all smaller ones in it. Another process reads, and adds to, the same numbers.
    """
    for _ in range(2):
        counted(config.store.folder)
    found = values(node())

    classes = [
        found["sgseg_stage_seconds_bucket", bound, "infer"] for bound in ("0.1", "0.25", "0.5", "+Inf")
    ]
    assert classes == [0, 2, 4, 6]
    assert found["sgseg_stage_seconds_count", "infer"] == 6
    assert found["sgseg_stage_seconds_sum", "infer"] == pytest.approx(2 * 9999.5)
    assert found["sgseg_answer_seconds_bucket", "0.5"] == 4


def test_what_waits_is_shown_with_its_age(node):
    """
    Images without an answer, and results for each destination.
    """
    now = time.time()
    waiting = Waiting(oldest=now - 100, deliveries={"PACS": (7, now - 50), "taken out": (1, now)})
    counts = {"waiting": 5, "working": 2, "images in quarantine": 3}
    found = values(node(replace(WELL, waiting=waiting, counts=counts)))

    assert [found["sgseg_queue_depth", state] for state in ("waiting", "working")] == [5, 2]
    assert found["sgseg_queue_oldest_seconds",] == pytest.approx(100, abs=30)
    assert found["sgseg_delivery_waiting", "PACS"] == 7
    assert found["sgseg_delivery_oldest_seconds", "PACS"] == pytest.approx(50, abs=30)
    assert ("sgseg_delivery_waiting", "taken out") not in found
    assert found["sgseg_quarantined", "images"] == 3


def test_a_destination_that_is_down_is_not_up(node):
    """
    Until then it is up: nothing was there to send.
    """
    down = WorkerState(destinations={"PACS": DestinationState(down_since=5.0, why_down="off")})

    assert values(node())["sgseg_destination_up", "PACS"] == 1
    assert values(node(replace(WELL, worker=down)))["sgseg_destination_up", "PACS"] == 0


@pytest.mark.parametrize(
    ("changes", "ready", "degraded"),
    [
        ({}, 1, 0),
        ({"problems": ("full",)}, 0, 0),
        ({"degraded": (Degradation(Trouble.WAITING, "", "long"),)}, 1, 1),
    ],
)
def test_ready_and_degraded_are_two_things(node, changes: dict[str, Any], ready, degraded):
    """
    A sender gets its answer from a degraded node.
    """
    found = values(node(replace(WELL, **changes)))

    assert (found["sgseg_ready",], found["sgseg_degraded",]) == (ready, degraded)


def test_disk_and_memory_are_those_of_the_node(node, config):
    """
    A process that does not run has no memory.
    """
    found = values(node(work=1 << 22))

    assert found["sgseg_disk_free_bytes",] > 0
    assert found["sgseg_disk_min_free_bytes",] == config.store.min_free_megabytes << 20
    assert found["sgseg_process_memory_bytes", "supervisor"] > 1 << 20
    assert ("sgseg_process_memory_bytes", "work") not in found


def test_the_end_of_our_certificate_is_shown(configure, tmp_path):
    """
    An alert can be made of it.
    """
    ours = certificate(tmp_path, authority(tmp_path), "ours", days=5)
    config = configure(
        receive={"certificate_file": str(ours.certificate), "key_file": str(ours.key)}, destination=[PACS]
    )
    metrics = Metrics(lambda: config, open_store(config), health=lambda: WELL, pids=dict)

    left = values(metrics)["sgseg_certificate_end_timestamp_seconds", "receiver"] - time.time()
    assert 4 * 86400 < left < 6 * 86400


@pytest.fixture
def page(node: Node) -> Iterator[Page]:
    page = Page(build(lambda: WELL, metrics=node()), host="127.0.0.1", port=0)
    page.start()
    yield page
    page.stop()


def test_they_are_on_the_page(page):
    """
    With the type that Prometheus asks for.
    """
    with urllib.request.urlopen(f"http://127.0.0.1:{page.port}/metrics", timeout=30) as answer:
        text = answer.read().decode()

        assert answer.headers["Content-Type"] == METRICS_TYPE
        assert "# TYPE sgseg_ready gauge\nsgseg_ready 1.0\n" in text
