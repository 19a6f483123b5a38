"""The service that ships: systemd's own reader and examiner look at it, without a systemd that runs."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from node.service.supervisor import CANNOT_START
from tests.node.processes import ROOT

FOLDER = ROOT / "deploy/systemd"
UNIT = FOLDER / "sgseg-node.service"
DROP_INS = sorted(FOLDER.glob("*.conf"))
ANALYZE = shutil.which("systemd-analyze")
MOST = 3.0
"""Exposure as systemd counts it, from 0 (closed) to 10 (open)."""

with_drop_ins = pytest.mark.parametrize(
    "drop_ins", [[], *([one] for one in DROP_INS)], ids=["alone", *(one.stem for one in DROP_INS)]
)
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd is not installed (apt: systemd)")


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(ANALYZE), *map(str, arguments)], capture_output=True, text=True, check=False)


def installed(folder: Path, *drop_ins: Path) -> Path:
    """Put the unit and drop-ins where systemd would have them, with a program that is there."""
    unit = folder / UNIT.name
    unit.write_text(re.sub(r"(?m)^ExecStart=.*", "ExecStart=/bin/true", UNIT.read_text()))
    for drop_in in drop_ins:
        place = folder / f"{UNIT.name}.d"
        place.mkdir(exist_ok=True)
        shutil.copy(drop_in, place)
    return unit


def exposure(unit: Path) -> float:
    """Give systemd's figure for a unit that lies in a folder of its own."""
    told = analyze("security", "--offline=true", "--threshold=100", "--no-pager", unit)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", told.stdout)
    assert found is not None, told.stderr
    return float(found[1])


@needs_systemd
@with_drop_ins
def test_systemd_has_nothing_to_say_against_the_service(tmp_path, drop_ins):
    """Neither alone nor with a drop-in: an unknown or misspelt line would be a message."""
    told = analyze("verify", installed(tmp_path, *drop_ins))

    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


@needs_systemd
def test_a_misspelt_line_would_be_found(tmp_path):
    """A check that finds nothing checks nothing."""
    unit = installed(tmp_path)
    unit.write_text(unit.read_text().replace("ProtectHome=", "ProtectHome2="))

    assert "ProtectHome2" in analyze("verify", unit).stderr


@needs_systemd
@with_drop_ins
def test_the_service_may_do_little(tmp_path, drop_ins):
    """Below 3.0 of 10, also with a GPU or a low port."""
    assert exposure(installed(tmp_path, *drop_ins)) < MOST


@needs_systemd
def test_a_service_without_restrictions_would_be_found(tmp_path):
    """The same unit with its program and user alone is counted as open."""
    unit = tmp_path / UNIT.name
    unit.write_text("[Service]\nExecStart=/bin/true\n")

    assert exposure(unit) > MOST


def service() -> dict[str, str]:
    """Give the [Service] of the unit; of a key that stands twice, the last value."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT.read_text())
    return dict(parser["Service"])


def test_what_cannot_start_is_not_started_again():
    """The node ends with this status where a setting, the weights or the disk is wrong."""
    assert service()["RestartPreventExitStatus"] == str(CANNOT_START)


def test_a_reload_is_the_signal_that_the_node_reads_its_settings_by():
    """Not a restart: nothing in flight is lost."""
    assert service()["ExecReload"] == "/bin/kill -HUP $MAINPID"


def test_a_stop_is_said_to_the_supervisor_alone():
    """It ends its halves in order; SIGTERM to all of them would end work in the middle."""
    assert (service()["KillMode"], service()["UMask"]) == ("mixed", "0077")
