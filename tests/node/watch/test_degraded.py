"""A node that takes images and does not do its work says so."""

import urllib.request
from dataclasses import replace

import pytest

from node.service.status_page import Health, Page, build
from node.watch.degraded import Degradation, degradations
from node.watch.worker_state import DestinationState
from node.work.queue import Waiting
from sgseg_dicom.watching import Trouble

NOW = 1_000_000.0
DOWN = DestinationState(down_since=NOW - 5, why_down="it does not answer")
PACS = {"name": "PACS", "ae_title": "PACS", "host": "127.0.0.1", "port": 104}


@pytest.mark.parametrize(
    ("waiting", "states", "expected"),
    [
        (Waiting(), {}, []),
        (Waiting(oldest=NOW - 59, deliveries={"PACS": (1, NOW - 59)}), {}, []),
        (Waiting(oldest=NOW - 61), {}, [Trouble.WAITING]),
        (Waiting(deliveries={"PACS": (1, NOW - 61)}), {}, [Trouble.WAITING]),
        (Waiting(deliveries={"PACS": (1, NOW - 61)}), {"PACS": DOWN}, [Trouble.DESTINATION_DOWN]),
        (Waiting(), {"PACS": DOWN}, [Trouble.DESTINATION_DOWN]),
        (Waiting(), {"taken out": DOWN}, []),
    ],
)
def test_what_is_wrong_is_said(configure, waiting, states, expected):
    """
    A destination is down from its first failure on; waiting is patient for [watch] waiting_minutes.
    """
    config = configure(destination=[PACS], watch={"waiting_minutes": 1.0})
    found = list(degradations(config, waiting, states, now=NOW))

    assert [one.trouble for one in found] == expected


def test_the_cause_is_named(configure):
    """
    With the number of results that wait for it.
    """
    config = configure(destination=[PACS])
    waiting = Waiting(deliveries={"PACS": (7, NOW)})
    (found,) = degradations(config, waiting, {"PACS": DOWN}, now=NOW)

    assert (found.trouble, found.subject) == (Trouble.DESTINATION_DOWN, "PACS")
    assert "PACS is down since" in found.words
    assert found.words.endswith("(images whose results wait for it: 7): it does not answer")


def test_an_archive_may_take_its_time_to_commit_itself(configure):
    """
    Results that it has wait for its report, by the patience of its own setting.
    """
    slow = {**PACS, "storage_commitment": True, "commitment_seconds": 600.0}
    config = configure(destination=[slow], watch={"waiting_minutes": 1.0})
    numbers = [
        len(list(degradations(config, Waiting(deliveries={"PACS": (1, NOW - age)}), {}, now=NOW)))
        for age in (659, 661)
    ]

    assert numbers == [0, 1]


def test_the_page_is_not_green_then():
    """
    And /ready goes on to say 200: a sender gets its answer.
    """
    health = Health(problems=(), address="here", destinations=("PACS",))
    ill = replace(health, degraded=(Degradation(Trouble.DESTINATION_DOWN, "PACS", "PACS is down"),))
    shown = []
    for one in (health, ill):
        page = Page(build(lambda one=one: one), host="127.0.0.1", port=0)
        page.start()
        for path in ("/", "/ready"):
            with urllib.request.urlopen(f"http://127.0.0.1:{page.port}{path}", timeout=30) as answer:
                shown.append((answer.status, answer.read().decode()))
        page.stop()
    (_, green), _, (_, poor), (status, said) = shown

    assert ('class="well"' in green, 'class="well"' in poor) == (True, False)
    assert "Degraded." in poor
    assert "PACS is down" in poor
    assert (status, said) == (200, '{"ready":true,"problems":[],"warnings":["PACS is down"]}')
