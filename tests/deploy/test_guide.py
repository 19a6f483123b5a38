"""The commands of the administrator's guide that set up, back up and restore: run as they stand there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from node.jobs import Ending
from sgseg_dicom.config import load
from tests.node.processes import RECEIVE, ROOT, STAND_IN, entry_of, half, send, settled
from tests.support.ports import free_ports

GUIDE = (ROOT / "docs/administrator.md").read_text("utf-8")
_COMMANDS = ("cp", "install", "mv", "sudo", "tar", "/opt/sgseg/bin/sgseg-node")
"""What is run. The others need a machine of one's own: services, users, what is installed."""


def commands(section: str) -> list[str]:
    """Give the commands that stand as code in a section, each with all its lines."""
    text = re.split(r"(?m)^#+ ", GUIDE.split(f"# {section}\n", 1)[1])[0].replace("\\\n", " ")
    code = re.findall(r"(?m)^ {4,}(\S.*)$", text)
    return [" ".join(line.split()) for line in code if line.split()[0] in _COMMANDS]


def run(command: str, machine: Path) -> str:
    """Run a command with the folders of a machine below *machine*; give what it says."""
    told = re.sub(
        r"(sudo -u sgseg )?/opt/sgseg/bin/sgseg-node", f"{shlex.quote(sys.executable)} -m node.cli", command
    )
    told = re.sub(r"(?<= )/(var|etc|backup)/", rf"{machine}/\1/", told).replace("-g sgseg ", "")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "240"}
    done = subprocess.run(told, shell=True, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (told, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The root of a machine with the folders that it has, and a few seconds old."""
    for folder in ("var/lib/sgseg", "etc", "backup"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def test_the_commands_of_the_installation_write_settings_that_are_right(machine):
    """The store lies where the service may write, and the node listens to the network."""
    made, written = [
        line for line in commands("As a service of systemd") if not re.search("^cp|doctor", line)
    ]
    for command in (made, written):
        run(command, machine)

    settings = load(machine / "etc/sgseg/config.toml")
    assert settings.store.folder == machine / "var/lib/sgseg/store"
    assert settings.receive.host == "0.0.0.0"
    assert [one.name for one in settings.destination] == ["PACS"]


def test_what_was_backed_up_is_there_again_after_it_is_restored(machine):
    """The commands in their order; a node then runs with the store, and knows the image that it judged before."""
    receive, page = free_ports(2)
    (machine / "etc/sgseg").mkdir()
    file, store = machine / "etc/sgseg/config.toml", machine / "var/lib/sgseg/store"
    file.write_text(
        f"[receive]\nport = {receive}\n[page]\nport = {page}\n[store]\nfolder = '{store}'\nmin_free_megabytes = 0\n"
    )
    config = load(file)
    with half(RECEIVE, config, machine) as receiver, half(STAND_IN, config, machine):
        uid = send(receiver, machine)
        settled(config, uid)

    said = [run(command, machine) for command in commands("Back-up and restore")]

    assert (machine / "backup/sgseg/config.toml").read_text() == file.read_text()
    assert not (store / "worker.notices").exists()
    assert uid in said[-1]
    with half(RECEIVE, config, machine) as receiver, half(STAND_IN, config, machine):
        assert send(receiver, machine) == uid
        assert entry_of(config, uid).state == Ending.FINDING
    assert (machine / "begun").read_text().split() == [uid]
