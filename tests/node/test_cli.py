"""What people type."""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from contextlib import closing
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from node.cli import app
from node.jobs import Job
from node.operations import requeue
from node.service.supervisor import CANNOT_START
from node.store.store import open_store
from node.work.queue import open_jobs
from sgseg_dicom.config import load
from tests.node.processes import ROOT, entry_of, receive_here, send_to, settled
from tests.support.builders import chest_radiograph, write
from tests.support.ports import free_ports


def write_settings(folder: Path, **sections: dict[str, Any]) -> Path:
    """Write a configuration file for a store in *folder*."""
    given: dict[str, dict[str, Any]] = {"store": {"folder": "store", "min_free_megabytes": 0}, **sections}
    lines = [
        f"[{name}]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in section.items())
        for name, section in given.items()
    ]
    file = folder / "config.toml"
    file.write_text("\n".join(lines))
    return file


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize("command", ["start", "receive", "work", "status", "echo"])
def test_a_wrong_setting_stops_the_start(tmp_path, command):
    """
    The message is all that is shown, and the status says that trying again is of no use.
    """
    result = run(command, "--config", str(write_settings(tmp_path, receive={"port": 70000})))

    assert result.exit_code == CANNOT_START
    assert result.stderr.strip() == "[receive] port is 70000; it must lie between 1 and 65535"


@pytest.mark.parametrize(
    "command",
    ["status", "status --failed", "status --overdue 60", "requeue --failed", "acknowledge --failed"],
)
def test_a_store_in_which_no_node_has_run_does_not_look_well(tmp_path, command):
    """
    Monitoring with a wrong path would be content for ever; and no command but the node's own makes a store.
    """
    result = run(*command.split(), "--config", str(write_settings(tmp_path)))

    assert result.exit_code == CANNOT_START
    assert f"no node has run with the store {tmp_path / 'store'}" in result.stderr
    assert not (tmp_path / "store").exists()


def test_status_says_that_nothing_came_in(tmp_path):
    """
    That is no error.
    """
    file = write_settings(tmp_path)
    open_jobs(load(file)).close()

    assert "nothing was received yet" in run("status", "--config", str(file)).stdout


def test_status_lists_what_came_in(tmp_path):
    """
    One line an image, for people as a table and for machines as JSON, and no patient in either.
    """
    file = write_settings(tmp_path)
    uid = receive_here(load(file), PatientName="Unmistakable^Name", PatientID="PID4711")
    shown = run("status", "--config", str(file)).stdout
    (entry,) = [
        json.loads(line) for line in run("status", "--json", "--config", str(file)).stdout.splitlines()
    ]

    assert "waiting" in shown
    assert (entry["job"]["sop_instance_uid"], entry["state"], entry["outcome"]) == (uid, "waiting", None)
    assert "Unmistakable" not in shown + str(entry)
    assert "PID4711" not in shown + str(entry)


def test_status_shows_what_a_sender_calls_itself_as_it_is(tmp_path):
    """
    Square brackets in an AE title are no markup of the table.
    """
    file = write_settings(tmp_path)
    receive_here(load(file), peer="[/]")

    assert "[/]" in run("status", "--config", str(file)).stdout


def test_status_of_what_failed_ends_with_0_where_nothing_did(tmp_path):
    """
    One image waits: nothing that a person must look at.
    """
    file = write_settings(tmp_path)
    receive_here(load(file))
    result = run("status", "--failed", "--config", str(file))

    assert result.exit_code == 0
    assert "nothing failed in" in result.stdout


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--overdue", "60"], 0, "nothing is overdue in"),
        (["--overdue", "60", "--failed"], 0, "nothing failed and nothing is overdue in"),
        (["--overdue", "0"], 1, "waiting"),
        (["--overdue", "0", "--failed"], 1, "waiting"),
    ],
)
def test_status_of_what_waits_too_long(tmp_path, options, code, said):
    """
    The image came just now: after an hour it would be overdue.
    """
    file = write_settings(tmp_path)
    receive_here(load(file))
    result = run("status", *options, "--config", str(file))

    assert result.exit_code == code
    assert said in result.stdout


def test_without_settings_the_defaults_are_said(tmp_path, monkeypatch):
    """
    In another folder the same command looks at another store: that must not go unsaid.
    """
    monkeypatch.chdir(tmp_path)
    result = run("status")

    assert "no config.toml in this folder: using the defaults" in result.stderr
    assert f"{tmp_path / 'sgseg-store'}" in result.stderr


@pytest.mark.parametrize("command", ["requeue", "acknowledge"])
@pytest.mark.parametrize("arguments", [["1.2.3"], []])
def test_a_command_says_what_it_could_not_do(tmp_path, command, arguments):
    """
    An image that is not known, and a call that names none.
    """
    file = write_settings(tmp_path)
    open_jobs(load(file)).close()
    result = run(command, *arguments, "--config", str(file))

    assert result.exit_code != 0
    assert ("1.2.3: not known here" if arguments else "--failed") in result.stderr


def test_an_image_whose_uid_is_taken_is_not_queued_again(tmp_path):
    """
    It would conflict again; the page counts it.
    """
    file = write_settings(tmp_path)
    store = open_store(load(file))
    store.prepare()
    ds = chest_radiograph()
    for patient in ("ONE", "OTHER"):
        ds.PatientID = patient
        kept = store.put(write(ds, store.incoming / "a.dcm"), ds.SOPInstanceUID)
    job = Job(
        id=kept.id,
        sop_instance_uid=ds.SOPInstanceUID,
        file=kept.file,
        conflicting=True,
        peer="X",
        received_at=0.0,
    )
    with closing(open_jobs(load(file))) as jobs:
        jobs.enqueue(job)

    result = run("requeue", ds.SOPInstanceUID, "--config", str(file))

    assert store.quarantine.count_images() == 1
    assert result.exit_code == 1
    assert "quarantined" in result.stderr


def test_status_names_whole_uids_where_nobody_says_how_wide(tmp_path, monkeypatch):
    """
    A mail of `cron` has 80 columns; `requeue` needs the UID.
    """
    monkeypatch.delenv("COLUMNS", raising=False)
    file = write_settings(tmp_path)
    uid = receive_here(load(file), SOPInstanceUID="1." + "2" * 62)

    assert uid in run("status", "--config", str(file)).stdout


def test_echo_asks_every_destination(tmp_path, archive):
    """
    One that answers and one that does not; the status is that of the worst.
    """
    file = write_settings(tmp_path, deliver={"connect_seconds": 2.0, "answer_seconds": 5.0})
    with file.open("a") as out:
        for name, port in (("good", archive.port), ("gone", 9)):
            out.write(
                f'\n[[destination]]\nname = "{name}"\nae_title = "X"\nhost = "127.0.0.1"\nport = {port}\n'
            )
    result = run("echo", "--config", str(file))

    assert result.exit_code == 1
    assert "good: answers" in result.stdout
    assert re.search("gone: gone .X at 127.0.0.1:9. does not respond", result.stdout)


def test_the_node_starts_answers_and_stops(tmp_path):
    """
    `sgseg-node start` with the model that ships: one line, ready, an answer, and SIGTERM ends all of it.
    """
    ports = dict(zip(("receive", "page"), free_ports(2), strict=True))
    sections: dict[str, dict[str, object]] = {name: {"port": port} for name, port in ports.items()}
    sections["model"] = {"image_check": False}  # a drawn chest does not pass it, and rightly
    file = write_settings(tmp_path, **sections)
    with (tmp_path / "log").open("w") as log:
        node = subprocess.Popen(
            [sys.executable, "-m", "node.cli", "start", "--config", str(file)],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    try:
        assert node.stdout is not None
        line = node.stdout.readline()
        assert line, (tmp_path / "log").read_text()
        with urllib.request.urlopen(f"http://127.0.0.1:{ports['page']}/ready", timeout=30) as answer:
            ready = json.loads(answer.read())
        halves = psutil.Process(node.pid).children()
        # What libraries doubt they quote.
        odd = {"PatientName": "Unmistakable", "PatientBirthDate": "19770700"}
        uid = send_to(ports["receive"], tmp_path, **odd)
        (entry,) = settled(load(file), uid)
        node.send_signal(signal.SIGTERM)
        status = node.wait(60)
    finally:
        node.kill()
        node.wait()
        node.stdout.close()

    assert re.match(rf"Send chest radiographs to SGSEG at 127\.0\.0\.1:{ports['receive']}; ", line)
    assert str(tmp_path / "store" / "results") in line
    assert ready == {"ready": True, "problems": [], "warnings": []}
    assert entry.state in ("finding", "no finding")
    assert (tmp_path / "store" / "results" / entry.job.id / "text.dcm").exists()
    assert (status, len(halves)) == (0, 2)
    logged = (tmp_path / "log").read_text()
    assert entry.job.id in logged
    assert not any(value in logged for value in odd.values())
    assert not any(half.is_running() for half in halves)


def test_status_of_what_failed_ends_with_1_where_something_did(tmp_path, monkeypatch):
    """
    That is what monitoring asks.
    """
    file = write_settings(tmp_path)
    entry = replace(entry_of(load(file), receive_here(load(file))), state="failed")
    monkeypatch.setattr("node.operations.needing_attention", lambda *_, **__: [entry])

    assert run("status", "--failed", "--config", str(file)).exit_code == 1


def test_what_is_in_work_is_not_queued_again(tmp_path):
    """
    It would be judged and sent twice.
    """
    config = load(write_settings(tmp_path))
    uid = receive_here(config)

    assert list(requeue(config, [uid], failed=False)) == []


def test_a_half_that_dies_of_a_defect_says_so_in_one_line():
    """
    Nobody else would tell of it; and its message may quote the patient.
    """
    dying = (
        "from node import cli, logs\n"
        "logs.configure('info')\n"
        "with cli._ending_the_process():\n"
        "    raise KeyError('Doe^Jane')\n"
    )
    died = subprocess.run(
        [sys.executable, "-c", dying], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    (line,) = died.stderr.splitlines()

    assert died.returncode == 1
    assert (json.loads(line)["event"], json.loads(line)["error"]) == ("defect", "KeyError")
    assert "Doe" not in line


def test_the_version_is_printed():
    """
    For a report of a fault, and for who installs.
    """
    done = CliRunner().invoke(app, ["--version"])

    assert (done.exit_code, done.stdout) == (0, f"sgseg-dicom {version('sgseg-dicom')}\n")
