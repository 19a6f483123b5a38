"""The alerts and the dashboard that come with the node are about metrics that it really has."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from node.service.status_page import Health
from node.store.store import open_store
from node.watch.counts import Figure
from node.watch.metrics import Metrics
from node.watch.tally import Tally
from node.watch.worker_state import WorkerState
from tests.support.certificates import authority, certificate

DEPLOY = Path(__file__).parents[3] / "deploy"
ALERTS, DASHBOARD = DEPLOY / "prometheus-alerts.yml", DEPLOY / "grafana-dashboard.json"


def promtool(*arguments: str, folder: Path) -> str:
    """Run it; give what it says where it is not content."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed; make check installs it")
    ran = subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    return ran.stdout + ran.stderr if ran.returncode else ""


@pytest.fixture
def samples(configure, tmp_path) -> dict[str, set[str]]:
    """Give the names of all samples of a node in which everything has happened, each with its labels."""
    ours = certificate(tmp_path, authority(tmp_path), "ours", days=5)
    pacs = {"name": "PACS", "ae_title": "PACS", "host": "127.0.0.1", "port": 104}
    receive = {"certificate_file": str(ours.certificate), "key_file": str(ours.key)}
    config = configure(receive=receive, destination=[pacs])
    tally = Tally(config.store.folder)
    open_store(config)
    tally.count(Figure.RECEIVED, "CT1", "new")
    tally.count(Figure.REFUSED, "image", "out of resources")
    tally.count(Figure.RESULTS, "finding", "CT1")
    tally.count(Figure.NOT_JUDGED, "lateral-view")
    tally.time(Figure.STAGE, Figure.STAGE_SECONDS, "infer", seconds=1.0)
    tally.time(Figure.ANSWER, Figure.ANSWER_SECONDS, seconds=1.0)
    tally.write()
    model = {"name": "SGSeg", "version": "1", "weights": "0", "runtime": "OpenVINO"}
    health = Health(problems=(), address="", destinations=(), worker=WorkerState(model=model))
    metrics = Metrics(lambda: config, open_store(config), health=lambda: health, pids=dict)
    found: dict[str, set[str]] = {"up": {"job", "instance"}}
    for family in text_string_to_metric_families(metrics()):
        for sample in family.samples:
            found.setdefault(sample.name, {"job", "instance"}).update(sample.labels)
    return found


def expressions() -> Iterator[str]:
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def test_every_expression_is_about_a_metric_and_labels_that_there_are(samples):
    """
    A name that was changed in the node alone would make an alert that never comes.
    """
    for expression in expressions():
        named = set(re.findall(r"\b(?:sgseg_\w+|up\b)", expression))
        matched = set(re.findall(r"(\w+) *(?:=~|!=|=)[^=]", expression))
        grouped = {
            label.strip() for part in re.findall(r"\bby \(([^)]*)\)", expression) for label in part.split(",")
        }

        assert named, expression
        assert named <= samples.keys(), expression
        assert matched | grouped <= set.union(*(samples[name] for name in named)), expression


def test_every_metric_has_a_place(samples):
    """
    What nobody looks at need not be there; buckets stand for their sums.
    """
    text = " ".join(expressions())
    shown = {name for name in samples if re.search(rf"\b{name}\b", text)}
    left = {name for name in samples if not name.endswith(("_created", "_sum", "_count"))} - shown

    assert left == set()


def test_the_alerts_are_rules(tmp_path):
    """
    As Prometheus reads them.
    """
    assert promtool("check", "rules", str(ALERTS), folder=tmp_path) == ""


def test_each_alert_comes_when_it_must(tmp_path):
    """
    Over series of samples that were made up.
    """
    shutil.copy(ALERTS, tmp_path)
    shutil.copy(Path(__file__).with_name("alerts_test.yml"), tmp_path)

    assert promtool("test", "rules", "alerts_test.yml", folder=tmp_path) == ""


def test_panels_do_not_lie_over_each_other():
    """
    Each has its place on the grid of 24 columns.
    """
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
