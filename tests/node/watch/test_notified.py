"""Somebody is told of each trouble, once in a while, and never twice because the node starts again."""

from typing import Any

import pytest

from node.service.status_page import Health
from node.store.store import open_store
from node.watch.counts import Figure
from node.watch.degraded import Degradation
from node.watch.lookout import Lasting, Lookout, Sight
from node.watch.notified import Notified, read_notified, write_notified
from node.watch.tally import Tally
from sgseg_dicom.watching import Notify, Trouble
from tests.support.certificates import authority, certificate

DOWN = Lasting(trouble=Trouble.DESTINATION_DOWN, subject="PACS", words="PACS is down")
HOURLY = Notify()


class Person:
    """Somebody who is told at once."""

    def __init__(self, settings: Notify = HOURLY, notified: Notified | None = None) -> None:
        self.settings, self.notified = settings, notified or Notified()

    def sees(self, sight: Sight, *, at: float) -> list[tuple[str, str, int]]:
        """Give what is told at a POSIX time: key, state, number."""
        self.notified = self.notified.begun(sight)
        news = tuple(self.notified.news(sight, self.settings, now=at))
        for one in news:
            self.notified = self.notified.with_notified(one, now=at)
        return [(one.key, one.state.value, one.number) for one in news]


def failed(number: int) -> Sight:
    return Sight(happened={Trouble.FAILED: number})


def test_what_lasts_is_told_once_an_hour():
    """
    Then that it lasts, and its end.
    """
    person, down = Person(), Sight(lasting=(DOWN,))
    said = [person.sees(down, at=at) for at in (0.0, 10.0, 3599.0, 3600.0)]
    said += [person.sees(Sight(), at=at) for at in (3700.0, 3710.0)]

    key = "destination-down PACS"
    assert said == [[(key, "begins", 0)], [], [], [(key, "lasts", 0)], [(key, "over", 0)], []]


def test_what_comes_and_goes_is_told_once_an_hour():
    """
    A destination that is up for a moment again and again fills no mailbox.
    """
    person = Person()
    said = [person.sees(Sight(lasting=(DOWN,) if at % 200 else ()), at=at) for at in range(100, 3600, 100)]

    assert [state for one in said for _, state, _ in one] == ["begins", "over"]


def test_what_failed_is_counted_from_the_first_look_on():
    """
    An old store does not begin with all that ever failed in it.
    """
    person = Person()
    said = [person.sees(failed(n), at=at) for n, at in [(7, 0.0), (8, 10.0), (12, 20.0), (12, 3700.0)]]

    assert said == [[], [("failed", "happened", 1)], [], [("failed", "happened", 4)]]


def test_counts_that_were_lost_hide_nothing_new():
    """
    The file was damaged and begun anew.
    """
    person = Person()
    said = [person.sees(failed(n), at=at) for n, at in [(7, 0.0), (0, 10.0), (1, 20.0)]]

    assert said == [[], [], [("failed", "happened", 1)]]


def test_only_the_events_of_the_settings_are_told():
    """
    Also no end of one that was taken out in the meantime.
    """
    person = Person()
    person.sees(Sight(lasting=(DOWN,)), at=0.0)
    person.settings = Notify(events=(Trouble.FAILED,))

    assert person.sees(Sight(happened={Trouble.QUARANTINED: 3}), at=10.0) == []


def test_a_clock_that_was_set_back_silences_nobody():
    """
    For longer than the pause between two messages.
    """
    person = Person()
    person.sees(Sight(lasting=(DOWN,)), at=1_000_000.0)

    assert person.sees(Sight(lasting=(DOWN,)), at=0.0) == [("destination-down PACS", "lasts", 0)]


def test_a_restart_repeats_nothing(tmp_path):
    """
    And a node that has just started says of nothing that it is over.
    """
    before = Person()
    before.sees(Sight(lasting=(DOWN,), happened={Trouble.FAILED: 3}), at=0.0)
    write_notified(tmp_path / "notified.json", before.notified)
    after = Person(notified=read_notified(tmp_path / "notified.json"))

    assert after.notified == before.notified
    assert after.sees(Sight(is_settled=False), at=10.0) == []
    assert after.sees(Sight(lasting=(DOWN,), happened={Trouble.FAILED: 3}), at=20.0) == []


def test_a_note_that_cannot_be_read_is_none(tmp_path):
    """
    Nothing stops for it.
    """
    (tmp_path / "notified.json").write_text('{"open": 3}')

    assert read_notified(tmp_path / "notified.json") == Notified()


class Site:
    """A lookout over a health and a clock that the test sets."""

    def __init__(self, configure: Any, **sections: Any) -> None:
        self.config = configure(notify={"after_minutes": 1.0}, **sections)
        self.store = open_store(self.config)
        self.health = Health(problems=(), address="", destinations=())
        self.now = 0.0
        self._lookout = Lookout(
            lambda: self.config, self.store, health=lambda: self.health, clock=lambda: self.now
        )

    def sees(self, *, at: float) -> list[str]:
        self.now = at
        return [one.key for one in self._lookout().lasting]

    def is_settled(self, *, at: float) -> bool:
        self.now = at
        return self._lookout().is_settled


@pytest.fixture
def site(configure: Any) -> Site:
    return Site(configure)


def test_what_is_over_in_a_moment_is_not_told(site):
    """
    A restart of the worker, an archive that is busy.
    """
    ill = Health(
        problems=("the worker is starting",),
        address="",
        destinations=(),
        degraded=(Degradation(Trouble.DESTINATION_DOWN, "PACS", "down"),),
    )
    well, site.health = site.health, ill
    first = [site.sees(at=0.0), site.sees(at=59.0)]
    site.health = well
    between = site.sees(at=60.0)
    site.health = ill
    second = [site.sees(at=61.0), site.sees(at=120.0), site.sees(at=121.0)]

    assert [*first, between, *second[:2]] == [[]] * 5
    assert second[2] == ["not-ready", "destination-down PACS"]


def test_a_node_that_just_started_is_not_settled(site):
    """
    A minute after the last problem, waiting deliveries have been tried.
    """
    well = site.health
    site.health = Health(problems=("starting",), address="", destinations=())
    starting = site.is_settled(at=0.0)
    site.health = well

    assert [starting, *(site.is_settled(at=at) for at in (10.0, 69.0, 70.0))] == [False, False, False, True]


def test_the_disk_and_the_certificate_are_seen(configure, tmp_path):
    """
    Before images are refused, and before peers refuse us.
    """
    ours = certificate(tmp_path, authority(tmp_path), "ours", days=5)
    site = Site(
        configure,
        receive={"certificate_file": str(ours.certificate), "key_file": str(ours.key)},
        store={"min_free_megabytes": 10**8},
    )
    site.sees(at=0.0)

    assert site.sees(at=61.0) == ["disk", "certificate receiver"]


def test_what_failed_is_seen(site):
    """
    Images and deliveries, and what lies in the quarantine.
    """
    tally = Tally(site.store.folder)
    for ending in ("finding", "failed", "quarantined"):
        tally.count(Figure.RESULTS, ending, "CT1")
    for state in ("delivered", "refused", "failed"):
        tally.count(Figure.DELIVERIES, "PACS", state)
    tally.write()

    assert site._lookout().happened == {Trouble.FAILED: 3, Trouble.QUARANTINED: 1}
