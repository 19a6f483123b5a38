"""SIGHUP: other settings as a whole or not at all, and only what they are for starts again."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from node.service.reload import Reload, changes_of
from sgseg_dicom.config import Config
from sgseg_dicom.errors import ConfigError


@dataclass
class Site:
    """Settings that are read again, and what was started again."""

    now: Config
    started: list[tuple[str, ...]] = field(default_factory=list)
    error: Exception | None = None

    def read(self) -> Config:
        if self.error:
            raise self.error
        return self.now

    def reloading(self, before: Config, **options: Any) -> tuple[Reload, list[Any]]:
        """Reload once; give what it did and logged."""
        reload = Reload(
            before,
            read=self.read,
            check=options.get("check", lambda config: None),
            restart=lambda config, names: self.started.append(names),
        )
        with capture_logs() as lines:
            reload()
        return reload, lines


BEFORE = Config.internal()


@pytest.mark.parametrize(
    ("section", "key", "value", "names"),
    [
        ("receive", "idle_seconds", 5.0, ("receive", "work")),
        ("model", "threads", 1, ("work",)),
        ("report", "language", "de", ("work",)),
        ("log", "level", "debug", ("receive", "work")),
    ],
)
def test_what_changed_is_said_and_what_it_is_for_starts_again(section, key, value, names):
    """
    With the value of before, and nothing else.
    """
    site = Site(Config.internal(**{section: {key: value}}))
    reload, lines = site.reloading(BEFORE)
    changed = [(line["key"], line["after"]) for line in lines if line["event"] == "setting_changed"]

    assert changed == [(f"{section}.{key}", value)]
    assert site.started == [names]
    assert reload.config is site.now


def test_whom_to_tell_is_changed_without_a_start_and_without_its_address():
    """
    Who knows the address of some webhooks may use them: the log does not have it.
    """
    site = Site(Config.internal(notify={"webhook_url": "https://hook.example/token"}))
    _, lines = site.reloading(BEFORE)

    assert [line["key"] for line in lines if line["event"] == "setting_changed"] == ["notify.webhook_url"]
    assert "token" not in str(lines)
    assert site.started == []


def test_a_sender_more_is_for_the_receiver_alone():
    """
    The model need not load again.
    """
    site = Site(Config.internal(sender=[{"name": "radiology"}]))
    site.reloading(BEFORE)

    assert site.started == [("receive",)]


@pytest.mark.parametrize(
    "error",
    [ConfigError("config.toml is not TOML"), PermissionError("no right to read"), ValueError("no text")],
)
def test_settings_that_cannot_be_read_change_nothing(error):
    """
    The node goes on as before, and the log says why: also where a file of the weights may not be read.
    """
    site = Site(BEFORE, error=error)
    reload, (line,) = site.reloading(BEFORE)

    assert (line["event"], site.started, reload.config) == ("not_reloaded", [], BEFORE)
    assert str(error) in line["detail"]


def test_settings_with_which_nothing_could_start_change_nothing():
    """
    Wrong weights, a language that is not there: what a start would refuse.
    """

    def refuse(config: Config) -> None:
        raise ConfigError("there is no language 'fr'")

    site = Site(Config.internal(report={"language": "fr"}))
    _, (line,) = site.reloading(BEFORE, check=refuse)

    assert (line["event"], site.started) == ("not_reloaded", [])


@pytest.mark.parametrize(
    "changed", [{"store": {"folder": "elsewhere"}}, {"page": {"port": 12000}, "model": {"threads": 1}}]
)
def test_what_cannot_change_refuses_the_whole(changed):
    """
    The queue and the page stay open: a part of the change would be a surprise.
    """
    site = Site(Config.internal(**changed))
    _, (line,) = site.reloading(BEFORE)

    assert (line["event"], site.started) == ("not_reloaded", [])
    assert "restart it" in line["detail"]


def test_the_same_settings_start_nothing_again():
    """
    Who asks twice harms nobody.
    """
    site = Site(Config.internal())
    _, (line,) = site.reloading(BEFORE)

    assert (line["event"], line["changed"], site.started) == ("reloaded", 0, [])


def test_lists_of_tables_are_compared_as_a_whole():
    """
    A destination more is a change of "destination".
    """
    after = Config.internal(destination=[{"name": "PACS", "ae_title": "PACS", "host": "h", "port": 104}])

    assert list(changes_of(BEFORE, after)) == ["destination"]
