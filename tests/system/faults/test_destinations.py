"""What a sick destination, a clock or a power cut does to the deliveries: the node's halves as real processes."""

import socket
from contextlib import ExitStack

import pytest

from tests.node.processes import STAND_IN, begun, entry_of, half, receive_here, settled, wait_for

_TWO_DAYS = 2 * 24 * 3600


def at_port(name: str, port: int) -> dict[str, object]:
    return {"name": name, "ae_title": "ARCHIVE", "host": "127.0.0.1", "port": port}


def test_destinations_that_are_silent_or_refuse_make_a_healthy_one_wait_for_nothing(
    configure, archive, tmp_path
):
    """
    Three sick ones are named before the healthy one. It has everything before the first of them is given up.
    """
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64)) for _ in range(2)]
        sick = [at_port(f"silent {number}", peer.getsockname()[1]) for number, peer in enumerate(silent)]
        config = configure(
            destination=[at_port("refusing", 9), *sick, archive.destination.model_dump()],
            deliver={"answer_seconds": 600.0, "connect_seconds": 5.0},
        )
        uids = [receive_here(config, seed=seed) for seed in range(20)]
        with half(STAND_IN, config, tmp_path):
            wait_for(lambda: len(archive.got) == 2 * len(uids), what="everything at the healthy destination")
            wait_for(lambda: delivered(config, uids[-1]) == "delivered", what="the status")
            entry = entry_of(config, uids[0])

    assert {sent.destination: sent.state for sent in entry.deliveries} == {
        "refusing": "waiting",
        "silent 0": "waiting",
        "silent 1": "waiting",
        "archive": "delivered",
    }
    assert "does not respond" in entry.deliveries[0].detail


def delivered(config, uid):
    """Give how the delivery to the last destination stands."""
    entry = entry_of(config, uid)
    return entry.deliveries[-1].state if entry.deliveries else ""


def test_a_clock_that_is_set_back_holds_no_delivery(configure, archive, tmp_path, monkeypatch):
    """
    The delivery pauses when the worker ends. The next worker's clock is two days slow, and it delivers all the same.
    """
    archive.answers = lambda count: 0xA700
    config = configure(archive, deliver={"backoff_seconds": 0.5})
    uid = receive_here(config)
    with half(STAND_IN, config, tmp_path) as worker:
        wait_for(lambda: len(archive.got) >= 4, what="the second attempt")
        wait_for(lambda: entry_of(config, uid).deliveries, what="the answer")
        worker.kill()
    archive.answers = lambda count: 0x0000
    monkeypatch.setenv("STAND_IN_CLOCK_BACK", str(_TWO_DAYS))
    with half(STAND_IN, config, tmp_path):
        (entry,) = settled(config, uid)

    assert [sent.state for sent in entry.deliveries] == ["delivered"]


def test_a_clock_that_is_set_back_holds_no_image(configure, archive, tmp_path, monkeypatch):
    """
    The device failed and the job pauses when the worker ends.
    """
    config = configure(archive, queue={"retry_seconds": 5.0})
    uid = receive_here(config, ImageComments="broken device")
    with half(STAND_IN, config, tmp_path) as worker:
        wait_for(lambda: begun(tmp_path), what="the first attempt")
        wait_for(lambda: worker.events("answered"), what="its end")
        worker.kill()
    (tmp_path / "go").touch()
    monkeypatch.setenv("STAND_IN_CLOCK_BACK", str(_TWO_DAYS))
    with half(STAND_IN, config, tmp_path):
        (entry,) = settled(config, uid)

    assert entry.state == "finding"


@pytest.mark.parametrize("step", ["answer", "send"])
def test_a_power_cut_between_two_steps_changes_nothing(configure, archive, tmp_path, monkeypatch, step):
    """
    After the results are kept and before anything is sent; after all is sent and before that is recorded. The next
    worker judges nothing again, and each destination has the same bytes.
    """
    monkeypatch.setenv("STAND_IN_DIES_AFTER", step)
    config = configure(archive)
    uid = receive_here(config)
    with half(STAND_IN, config, tmp_path, wait=False) as worker:
        assert worker.process.wait(60) == 9
    with half(STAND_IN, config, tmp_path):
        (entry,) = settled(config, uid)

    assert begun(tmp_path) == [uid]
    assert [sent.state for sent in entry.deliveries] == ["delivered"]
    assert len(archive.got) == {"answer": 2, "send": 4}[step]
    assert len(set(archive.got)) == 2
