"""The audit trail of a running node: nothing is missing, whatever dies."""

import json
import signal
from contextlib import closing
from typing import Any

import pytest
from pydicom.uid import generate_uid
from pynetdicom import AE
from pynetdicom.sop_class import Verification
from typer.testing import CliRunner

from node.audit import follower
from node.audit.trail import Trail
from node.audit.verify import verify
from node.cli import app
from node.store.store import open_store
from node.work.queue import open_jobs
from tests.node.conftest import configure as configure
from tests.node.processes import Archive, wait_for
from tests.system.faults.whole_node import WholeNode, whole_node


@pytest.fixture
def archive():
    """A destination that stores everything."""
    peer = Archive()
    yield peer
    peer.close()


def events(node: WholeNode, name: str = "") -> list[dict[str, Any]]:
    """Give the events of the trail, all or those called *name*."""
    trail = Trail(node.config.store.folder)
    lines = [json.loads(line) for path in trail.files() for line in path.read_bytes().splitlines()]
    return [line for line in lines if name in ("", line["event"])]


def wait_for_event(node: WholeNode, name: str, number: int = 1) -> list[dict[str, Any]]:
    return wait_for(lambda: len(found := events(node, name)) >= number and found, what=name, seconds=40)


def test_the_trail_has_the_way_of_an_image_and_who_was_rejected(configure, archive, tmp_path):
    """
    From whom, when, what became of it, to whom what went; ids only. And it is whole, after a kill too.
    """
    config = configure(archive)
    with whole_node(config, tmp_path) as node:
        uid = node.send(PatientName="Canary^Bird", PatientID="C4711", StudyInstanceUID="1.2.3.4.5")
        stranger = AE("STRANGER")
        stranger.add_requested_context(Verification)
        assert stranger.associate("127.0.0.1", node.port, ae_title="WRONG").is_rejected
        delivered = wait_for_event(node, "delivered")[0]
        node.half("receive").send_signal(signal.SIGKILL)
        wait_for(lambda: len(events(node, "started")) == 3, what="the receiver to start again", seconds=40)
        # A half that still starts is killed at the end, and says nothing.
        wait_for(lambda: node.ready()[0] == 200, what="the node to be ready", seconds=40)
        received, answered = events(node, "received"), events(node, "answered")
        rejected = events(node, "rejected")[0]
    found = verify(Trail(config.store.folder))

    assert (found.broken, found.torn) == ("", 0)
    assert [(line["image"], line["sender"], line["address"], line["how"]) for line in received] == [
        (uid, "TESTER", "127.0.0.1", "new")
    ]
    assert [(line["ending"], line["study"]) for line in answered] == [("finding", "1.2.3.4.5")]
    assert (delivered["destination"], len(delivered["objects"])) == ("archive", 2)
    assert {instance for _, instance in delivered["objects"]} == set(archive.uids())
    assert (rejected["sender"], rejected["called"]) == ("STRANGER", "WRONG")
    assert rejected["why"] == "called AE title not recognized (permanent, 1/1/7)"
    text = "".join(path.read_text() for path in Trail(config.store.folder).files())
    assert not any(word in text for word in ("Canary", "C4711"))
    assert [line["event"] for line in events(node)][-2:] == ["stopped", "stopped"]


def test_what_a_crash_kept_from_the_trail_is_written_later(configure, archive, tmp_path, monkeypatch):
    """
    A receiver is killed before it has written what it took; the worker finds it in the queue.
    """
    monkeypatch.setattr(follower, "_SETTLED_SECONDS", 0.0)
    config = configure(archive)
    with whole_node(config, tmp_path) as node:
        uid = node.send(SOPInstanceUID=generate_uid())
        node.half("receive").send_signal(signal.SIGKILL)
        node.settled(uid)
        wait_for_event(node, "delivered")
    trail = Trail(config.store.folder)
    noted = [line["image"] for line in events(node, "received")]
    with closing(open_jobs(config)) as jobs:
        follower.Follower(trail, jobs, open_store(config)).look()
        follower.Follower(trail, jobs, open_store(config)).look()

    assert noted in ([], [uid])
    assert [line["image"] for line in events(node, "received")] == [uid]
    assert len(events(node, "delivered")) == len(events(node, "answered")) == 1
    assert verify(trail).broken == ""


def test_what_people_do_is_in_the_trail_with_their_account(configure, archive, tmp_path, monkeypatch):
    """
    Acknowledge, requeue, delete, export; the deleted image is gone with its results and its job.
    """
    monkeypatch.setenv("SUDO_USER", "anna")
    archive.answers = lambda count: 0xC000
    config = configure(archive)
    file = tmp_path / "config.toml"
    file.write_text(f'[store]\nfolder = "{config.store.folder}"\nmin_free_megabytes = 0\n')
    with whole_node(config, tmp_path) as node:
        uid = node.send()
        node.settled(uid)
        wait_for_event(node, "refused")
    answers = [
        CliRunner().invoke(app, [*words, "--config", str(file)])
        for words in (
            ["acknowledge", uid],
            ["delete", uid, "--yes"],
            ["audit", "export"],
            ["audit", "verify"],
        )
    ]

    assert [answer.exit_code for answer in answers] == [0, 0, 0, 0], [answer.output for answer in answers]
    done = [(line["event"], line["user"], line.get("image")) for line in events(node) if "user" in line]
    assert done == [("acknowledged", "anna", uid), ("deleted", "anna", uid), ("exported", "anna", None)]
    store = config.store.folder
    assert list(store.glob("instances/*/*.dcm")) + list(store.glob("results/*")) == []
