"""The rotation of a log file that ships: logrotate itself reads it and does it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.node.processes import ROOT

RULES = ROOT / "deploy/logrotate/sgseg-node"
LOGROTATE = shutil.which("logrotate", path="/usr/sbin:/usr/bin:/sbin")

pytestmark = pytest.mark.skipif(LOGROTATE is None, reason="logrotate is not installed (apt: logrotate)")


def rules_for(log: Path) -> Path:
    """Put the rules where logrotate finds them, for another file and this user."""
    text = RULES.read_text().replace("/var/log/sgseg/node.log", str(log))
    file = log.with_name("rules")
    file.write_text(re.sub(r"(?m)^ *su .*\n", "", text))
    file.chmod(0o644)
    return file


def logrotate(rules: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(LOGROTATE), "--state", str(rules.with_name("state")), *options, str(rules)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_logrotate_understands_every_line(tmp_path):
    """A wrong line would be an error of its reader."""
    (tmp_path / "node.log").write_text("{}\n")
    told = logrotate(rules_for(tmp_path / "node.log"), "--debug")

    assert told.returncode == 0
    assert "error" not in told.stderr.lower()


def test_a_wrong_line_would_be_found(tmp_path):
    """A check that finds nothing checks nothing."""
    rules = rules_for(tmp_path / "node.log")
    rules.write_text(rules.read_text().replace("missingok", "missingokay"))

    assert "missingokay" in logrotate(rules, "--debug").stderr


def test_what_is_written_after_a_rotation_stands_in_the_new_file(tmp_path):
    """The writer keeps its open file, as systemd does for the node; the old lines are kept beside it."""
    log = tmp_path / "node.log"
    with log.open("a") as writer:
        writer.write("before\n")
        writer.flush()
        told = logrotate(rules_for(log), "--force")
        writer.write("after\n")

    (rotated,) = tmp_path.glob("node.log-*")
    assert (told.returncode, rotated.read_text(), log.read_text()) == (0, "before\n", "after\n")
