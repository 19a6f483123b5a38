"""The status page over real HTTP."""

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from node.service.status_page import Health, Page, build
from sgseg_dicom.errors import StorageUnavailable

WELL = Health(
    problems=(),
    address="SGSEG at 127.0.0.1:11112",
    destinations=("PACS",),
    counts={"waiting": 3, "working": 1},
)


class Site:
    """A page over a health that the test sets."""

    def __init__(self) -> None:
        self.health = WELL
        self.page = Page(build(lambda: self.health), host="127.0.0.1", port=0)
        self.page.start()

    def get(self, path: str) -> tuple[int, str]:
        """Give status and body."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.page.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.page.stop()


def test_it_names_what_runs_the_model(site):
    """An administrator sees whether the GPU is used."""
    site.health = replace(WELL, model="torch 2.14 on cuda:0, float16")

    assert "The model is run by torch 2.14 on cuda:0, float16." in site.get("/")[1]


def test_the_page_says_where_to_send_and_what_waits(site):
    """
    For a person, in one look.
    """
    status, body = site.get("/")

    assert status == 200
    for text in ("SGSEG at 127.0.0.1:11112", "PACS", "waiting", "3", "Ready."):
        assert text in body


def test_live_is_live(site):
    """
    For a supervisor of processes.
    """
    assert site.get("/live") == (200, '{"live":true}')


def test_ready_says_why_not(site):
    """
    For a load balancer, and for whoever is called at night.
    """
    assert site.get("/ready")[0] == 200
    site.health = replace(WELL, problems=("3 MB are free",))
    status, body = site.get("/ready")

    assert (status, json.loads(body)["problems"]) == (503, ["3 MB are free"])


def test_a_name_from_the_settings_is_no_markup(site):
    """
    What is shown is escaped.
    """
    site.health = replace(WELL, destinations=("<script>",))

    assert "<script>" not in site.get("/")[1]


def test_a_taken_port_is_told(site):
    """
    The message names the setting.
    """
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(StorageUnavailable, match=r"\[page\]"),
    ):
        Page(build(lambda: WELL), host="127.0.0.1", port=taken.getsockname()[1])


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_the_page_has_an_ipv6_address():
    """
    [page] host may be one.
    """
    page = Page(build(lambda: WELL), host="::1", port=0)
    page.start()
    with urllib.request.urlopen(f"http://[::1]:{page.port}/live", timeout=10) as answer:
        status = answer.status
    page.stop()

    assert status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:11180", 200),
        ("127.0.0.1", 200),
        ("[::1]:11180", 200),
        ("192.0.2.7:80", 200),
        ("node.hospital.example", 200),
        ("NODE.hospital.example:11180", 200),
        ("evil.example", 421),
        ("evil.example:11180", 421),
        ("localhost.evil.example", 421),
    ],
)
def test_only_its_own_names_are_answered(host, status):
    """
    A page that was led here by a foreign name (DNS rebinding) reads nothing.
    """
    page = Page(build(lambda: WELL, names=("node.hospital.example",)), host="127.0.0.1", port=0)
    page.start()
    asked = urllib.request.Request(f"http://127.0.0.1:{page.port}/ready", headers={"Host": host})
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            found = answer.status
    except urllib.error.HTTPError as error:
        with error:
            found = error.code
    page.stop()

    assert found == status


def test_a_slow_request_is_closed(site, monkeypatch):
    """
    One byte now and then keeps no connection open.
    """
    monkeypatch.setattr("node.service.hasty_http.CONNECTION_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", site.page.port), timeout=30) as slow:
        closed = False
        for byte in b"GET / HTTP/1.1\r\nX: " + b"a" * 100:
            try:
                slow.send(bytes((byte,)))
            except OSError:
                closed = True
                break
            time.sleep(0.1)

    assert closed


def test_silent_connections_keep_no_browser_out(site):
    """
    The oldest of them give way.
    """
    with ExitStack() as stack:
        for _ in range(150):
            stack.enter_context(socket.create_connection(("127.0.0.1", site.page.port), timeout=10))

        assert site.get("/live")[0] == 200


def test_the_page_shows_who_was_turned_away(site):
    """
    The receiver's numbers, by reason.
    """
    site.health = replace(WELL, associations={"let in: ward": 7, "rejected: no reason given": 3})

    body = site.get("/")[1]
    assert "let in: ward" in body
    assert "rejected: no reason given" in body
