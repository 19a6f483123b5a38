"""What a person does by a command stands in the trail before it is done."""

import errno
import os

import pytest

from node.audit.export import exported
from node.audit.person import person_does
from node.audit.trail import Trail
from sgseg_dicom.errors import StorageUnavailable


@pytest.fixture
def config(configure):
    config = configure()
    config.store.folder.mkdir()
    return config


def test_nothing_is_done_where_it_cannot_be_noted(config):
    """
    A file is in the place of the trail's folder: the person reads why, and can do all of it later.
    """
    (config.store.folder / "audit").write_text("in the way")
    done = []

    with pytest.raises(StorageUnavailable), person_does(config, "deleted", at=1.0):
        done.append(1)

    assert done == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_on_a_full_disk_it_is_done_and_noted_after_it(config, code, monkeypatch):
    """
    The action may be what makes room.
    """
    write, done = os.write, []

    def full(descriptor: int, data: bytes) -> int:
        if not done:
            raise OSError(code, "no room")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    with person_does(config, "deleted", at=1.0):
        done.append(1)

    assert done == [1]
    assert [path.name for path in Trail(config.store.folder).files()] == ["1970-01-01.jsonl"]


def test_an_export_of_a_trail_that_cannot_be_read_is_an_expected_error(config):
    """
    One of its files is of another user.
    """
    trail = Trail(config.store.folder)
    trail.append([{"event": "started", "at": 1.0}])
    (trail.folder / "1969-12-31.jsonl").mkdir()

    with pytest.raises(StorageUnavailable, match="cannot be used"):
        list(exported(config, since=None, until=None, as_dicom=False))
