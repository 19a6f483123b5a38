"""What somebody else could do with a store that was open once: nothing that lasts."""

import fcntl
import os
import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from node.private_files import require_private_file
from node.receive.figures import Figures, read_figures
from node.store.acknowledgements import Acknowledged
from node.store.own_files import locked, open_own
from node.store.store import Store
from node.work.queue import prepare
from sgseg_dicom.errors import ConfigError, StorageUnavailable


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.prepare()
    return store


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(("before", "after"), [(0o777, 0o755), (0o775, 0o755), (0o2770, 0o2750)])
def test_an_existing_store_that_others_can_write_into_is_mended(tmp_path, before, after):
    """
    Who can write into it could put other files in the place of the node's. One line says what was changed.
    """
    folder = tmp_path / "store"
    folder.mkdir()
    folder.chmod(before)

    with capture_logs() as lines:
        Store(folder).prepare()
        Store(folder).prepare()

    assert mode_of(folder) == after
    assert [(line["event"], line["mode"]) for line in lines] == [("store_mended", f"{before:04o}")]


def test_a_store_that_only_its_user_can_write_into_keeps_its_mode(tmp_path):
    """
    It may hold files that others read.
    """
    folder = tmp_path / "store"
    folder.mkdir()
    folder.chmod(0o755)

    with capture_logs() as lines:
        Store(folder).prepare()

    assert (mode_of(folder), lines) == (0o755, [])


def test_a_store_in_a_folder_of_everybody_is_refused(tmp_path):
    """
    /tmp as the store: to change its mode would harm others.
    """
    folder = tmp_path / "everybody"
    folder.mkdir()
    folder.chmod(0o1777)

    with pytest.raises(StorageUnavailable, match=r"everybody can write into .*set \[store\] folder"):
        Store(folder).prepare()
    assert mode_of(folder) == 0o1777


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make another user's folder")
@pytest.mark.parametrize("made", ["folder", "link"])
def test_a_part_that_another_user_put_there_is_refused(tmp_path, made):
    """
    Images would lie in a folder that somebody else reads.
    """
    part = tmp_path / "store" / "instances"
    part.parent.mkdir()
    (tmp_path / "elsewhere").mkdir()
    part.mkdir() if made == "folder" else part.symlink_to(tmp_path / "elsewhere")
    os.chown(part, 12345, 12345, follow_symlinks=False)

    with pytest.raises(StorageUnavailable, match=r"instances belongs to another user \(id 12345\)"):
        Store(tmp_path / "store").prepare()


LOCKS = {
    "receive.lock": lambda store: store.claim("receive"),
    "work.lock": lambda store: store.claim("work"),
    "jobs.lock": lambda store: store.changing(),
}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_that_is_a_link_is_refused_and_its_target_stays(store, tmp_path, name):
    """
    To open it for writing would empty the file that the link names.
    """
    target = tmp_path / "precious"
    target.write_text("precious")
    (store.folder / name).symlink_to(target)

    with pytest.raises(StorageUnavailable, match=name), LOCKS[name](store):
        pass
    assert target.read_text() == "precious"


@pytest.mark.parametrize("name", ["queue.lock", "queue.sqlite"])
def test_a_link_in_the_place_of_the_queue_is_refused_and_its_target_stays(store, tmp_path, name):
    """
    Neither its content nor its mode changes.
    """
    target = tmp_path / "precious"
    target.write_text("precious")
    target.chmod(0o644)
    (store.folder / name).symlink_to(target)

    with pytest.raises(StorageUnavailable):
        prepare(store.folder)
    assert (target.read_text(), mode_of(target)) == ("precious", 0o644)


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_is_not_emptied(store, name):
    """
    A hard link to somebody's file has no other sign than its content.
    """
    (store.folder / name).write_text("precious")

    with LOCKS[name](store):
        pass

    assert (store.folder / name).read_text() == "precious"


def test_figures_and_acknowledgements_replace_links_or_refuse_them(store, tmp_path):
    """
    The receiver's figures are written to a new file; an acknowledgement is no link.
    """
    target = tmp_path / "precious"
    target.write_text("precious")
    (store.folder / "receiver.new").symlink_to(target)
    (store.folder / "acknowledged" / "job").symlink_to(target)

    Figures(store.folder).write({"open now": 1})
    with pytest.raises(StorageUnavailable):
        Acknowledged(store.folder).add("job")

    assert (target.read_text(), read_figures(store.folder)) == ("precious", {"open now": 1})


def test_a_pipe_is_no_lock_file(tmp_path):
    """
    Whatever lies there under our name must be a file.
    """
    os.mkfifo(tmp_path / "x.lock")

    with pytest.raises(OSError, match=r"x\.lock is no regular file"):
        open_own(tmp_path / "x.lock")


def test_a_lock_does_not_outlive_the_process_that_holds_it(tmp_path):
    """
    A child that inherited the descriptor would hold the lock on after its parent's death.
    """
    with locked(tmp_path / "x.lock", fcntl.LOCK_EX):
        names = {int(fd) for fd in os.listdir("/proc/self/fd")}
        ours = [fd for fd in names if _name(fd) == str(tmp_path / "x.lock")]
        inherited = [os.get_inheritable(fd) for fd in ours]

    assert inherited == [False]


def _name(descriptor: int) -> str:
    """Give the path of an open file; "" where it is closed in the meantime."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""


@pytest.mark.parametrize("mode", [0o666, 0o644, 0o640, 0o604, 0o620])
def test_a_secret_that_others_can_read_is_refused(tmp_path, mode):
    """
    With the command that mends it.
    """
    secret = tmp_path / "archive.password"
    secret.write_text("geheim")
    secret.chmod(mode)

    with pytest.raises(ConfigError, match=f"chmod 600 {secret}") as caught:
        require_private_file(secret)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_secret_of_ours_alone_is_taken(tmp_path, mode):
    """
    And one that is not there is left to whoever reads it.
    """
    secret = tmp_path / "archive.password"
    secret.touch()
    secret.chmod(mode)

    require_private_file(secret)
    require_private_file(tmp_path / "missing")
