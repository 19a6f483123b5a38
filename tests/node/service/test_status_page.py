"""The status page over real HTTP."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
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
