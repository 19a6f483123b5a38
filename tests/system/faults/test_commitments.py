"""Storage Commitment with receiver and worker as real processes, a peer that says what a test wants, and Orthanc."""

from collections.abc import Iterator

import pytest

from tests.node.committing_archive import CommittingArchive
from tests.node.processes import (
    RECEIVE,
    STAND_IN,
    begun,
    entry_of,
    half,
    receive_here,
    send,
    settled,
    wait_for,
)
from tests.support.ports import free_ports
from tests.system.network import Network
from tests.system.orthanc import needs_peers, running_orthanc


@pytest.fixture
def elsewhere() -> Iterator[CommittingArchive]:
    """An archive that reports on an association of its own."""
    archive = CommittingArchive("elsewhere")
    yield archive
    archive.close()


def test_the_receiver_takes_the_report_and_the_worker_finds_it(configure, elsewhere, tmp_path):
    """
    Until then the delivery waits, and the status says for what.
    """
    elsewhere.way = "never"
    config = configure(elsewhere)
    with half(RECEIVE, config, tmp_path) as receiver, half(STAND_IN, config, tmp_path):
        elsewhere.reports_to = receiver.ready["port"]
        uid = send(receiver, tmp_path)
        wait_for(lambda: detail(config, uid), what="the reason why it waits")
        waiting = entry_of(config, uid)
        elsewhere.report_elsewhere(elsewhere.asked[0])
        (entry,) = settled(config, uid)

    assert not waiting.settled
    assert "sent, not yet committed" in waiting.deliveries[0].detail
    assert [sent.state for sent in entry.deliveries] == ["delivered"]
    assert len(elsewhere.got) == 2
    assert list((config.store.folder / "commitments").iterdir()) == []


def detail(config, uid):
    """Give why the delivery waits."""
    deliveries = entry_of(config, uid).deliveries
    return deliveries[0].detail if deliveries else ""


def test_a_power_cut_between_request_and_report_changes_nothing(configure, elsewhere, tmp_path, monkeypatch):
    """
    The next worker sends nothing again: it asks once more, and the delivery ends with the report.
    """
    monkeypatch.setenv("STAND_IN_DIES_AFTER", "request")
    elsewhere.way = "never"
    config = configure(elsewhere)
    uid = receive_here(config)
    with half(STAND_IN, config, tmp_path, wait=False) as worker:
        assert worker.process.wait(60) == 9
    elsewhere.way = "elsewhere"
    with half(RECEIVE, config, tmp_path) as receiver, half(STAND_IN, config, tmp_path):
        elsewhere.reports_to = receiver.ready["port"]
        (entry,) = settled(config, uid)

    assert [sent.state for sent in entry.deliveries] == ["delivered"]
    assert begun(tmp_path) == [uid]
    assert len(elsewhere.got) == 2
    assert len(elsewhere.asked) == 2


@needs_peers
@pytest.mark.system
def test_orthanc_commits_itself(configure, tmp_path):
    """
    It reports on an association that it opens to the node; then the delivery has ended.
    """
    (port,) = free_ports(1)
    (tmp_path / "orthanc").mkdir()
    with running_orthanc(Network(), tmp_path / "orthanc", node_port=port) as orthanc:
        destination = orthanc.destination | {"storage_commitment": True, "commitment_seconds": 60.0}
        config = configure(destination=[destination], receive={"port": port})
        with half(RECEIVE, config, tmp_path) as receiver, half(STAND_IN, config, tmp_path):
            (entry,) = settled(config, send(receiver, tmp_path))
            # The worker takes the report from the disk, perhaps before the receiver has written its line.
            reported = wait_for(lambda: receiver.events("commitment_reported"), what="the receiver's line")

    assert [sent.state for sent in entry.deliveries] == ["delivered"]
    assert [(event["peer"], event["committed"], event["failed"]) for event in reported] == [("ORTHANC", 2, 0)]
