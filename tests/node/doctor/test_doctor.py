"""The doctor names what is wrong, one line each, with the cure."""

import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from node.cli import app
from node.doctor import before_start, surroundings
from node.doctor.before_start import require_startable
from node.doctor.examine import examine
from node.doctor.finding import Finding, State
from node.doctor.model_run import judge_known_image
from sgseg_dicom.config import Config
from sgseg_dicom.errors import ConfigError, InferenceError
from sgseg_dicom.release.known_answer import KNOWN_ANSWER_FILE
from sgseg_dicom.release.manifest import packaged_weights
from tests.support.certificates import authority, certificate
from tests.support.ports import free_ports

Site = dict[str, Any]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Settings with which nothing is wrong."""
    receiver, page = free_ports(2)
    return {
        "receive": {"port": receiver},
        "store": {"folder": str(tmp_path / "store"), "min_free_megabytes": 1},
        "page": {"port": page},
    }


def looked(site: Site) -> dict[str, Finding]:
    """What the doctor finds, by subject, without a run of the model."""
    return {one.subject: one for one in examine(Config.internal(**site), run_model=False)}


def wrong(site: Site) -> dict[str, str]:
    return {name: one.detail for name, one in looked(site).items() if one.state is not State.OK}


@contextmanager
def taken(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield


def test_a_site_in_order_has_nothing_wrong(site):
    """
    Every line is "ok".
    """
    assert wrong(site) == {}
    assert {
        "SQLite",
        "language",
        "weights",
        "device",
        "receiver's port",
        "page's port",
        "store",
        "disk",
        "clock",
    } <= set(looked(site))


def test_a_port_that_another_program_has_is_named(site):
    """
    Of the receiver and of the page; a program that takes connections is no node.
    """
    with taken(site["receive"]["port"]), taken(site["page"]["port"]):
        said = wrong(site)

    assert "set [receive] port" in said["receiver's port"]
    assert "set [page] port" in said["page's port"]


def test_an_address_of_another_machine_is_named(site):
    """
    Nobody can listen there.
    """
    site["receive"]["host"] = "192.0.2.1"

    assert "set [receive] host" in wrong(site)["receiver's port"]


def test_a_node_that_runs_is_no_fault(running):
    """
    The doctor is asked beside it: its own receiver answers on the port.
    """
    port = running.receiver.ready["port"]
    config = running.config.model_copy(
        update={"receive": running.config.receive.model_copy(update={"port": port})}
    )
    found = {one.subject: one for one in examine(config, run_model=False)}

    assert found["receiver's port"].state is State.OK
    assert "answers" in found["receiver's port"].detail


def damaged_weights(folder: Path) -> Path:
    copy = folder / "weights"
    shutil.copytree(packaged_weights(), copy)
    content = bytearray((copy / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (copy / "model.safetensors").write_bytes(content)
    return copy


def graph_of_others(folder: Path) -> Path:
    copy = folder / "weights"
    shutil.copytree(packaged_weights(), copy)
    described = json.loads((copy / "graph.json").read_text())
    (copy / "graph.json").write_text(json.dumps({**described, "weights": "0" * 64}))
    return copy


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (damaged_weights, "model.safetensors"),
        (graph_of_others, "graph.json"),
        (lambda folder: folder / "nowhere", "nowhere"),
    ],
)
def test_weights_that_are_not_whole_are_named_and_stop_the_start(site, tmp_path, make, words):
    """
    By their digests; until now the receiver listened for a quarter of a minute before that was noticed.
    """
    site["model"] = {"weights": str(make(tmp_path))}

    assert words in wrong(site)["weights"]
    with pytest.raises(ConfigError, match=words):
        require_startable(Config.internal(**site))


def test_a_language_that_is_not_there_is_named(site):
    """
    With those that are.
    """
    site["report"] = {"language": "fr"}

    assert "give one of" in wrong(site)["language"]


def test_a_gpu_that_is_not_there_is_named(site, monkeypatch):
    """
    As a setting that cannot be met, and not as a traceback of torch.
    """
    monkeypatch.setattr(before_start, "_COUNT_GPUS", "print(1)")
    site["model"] = {"device": "cuda:1"}

    assert "1 GPUs" in wrong(site)["device"]


def test_a_gpu_without_torch_is_named(site, monkeypatch):
    """
    The extra that brings it is the cure.
    """
    monkeypatch.setattr(before_start, "is_torch_installed", lambda: False)
    site["model"] = {"device": "cuda"}

    assert "sgseg-dicom[gpu]" in wrong(site)["device"]


def test_a_gpu_that_stands_idle_is_worth_a_look(site, monkeypatch):
    """
    The node runs, on the CPU.
    """
    monkeypatch.setattr(before_start, "has_gpu_driver", lambda: True)
    monkeypatch.setattr(before_start, "is_torch_installed", lambda: False)
    found = looked(site)

    assert found["GPU"].state is State.WARNING
    assert "sgseg-dicom[gpu]" in found["GPU"].detail
    assert found["device"].detail == "the CPU, by OpenVINO"


def test_a_secret_that_others_can_read_is_named(site, tmp_path):
    """
    With the command that mends it.
    """
    secret = tmp_path / "token"
    secret.write_text("x")
    secret.chmod(0o644)
    url = "https://127.0.0.1:1/dicom-web"
    site["destination"] = [{"name": "cloud", "protocol": "dicomweb", "url": url, "token_file": str(secret)}]

    assert "chmod 600" in wrong(site)["destinations' files"]


@pytest.mark.parametrize(("days", "state", "words"), [(-1, "wrong", "has ended"), (5, "warning", "renew it")])
def test_a_certificate_that_ends_is_named(tmp_path, site_certificates, site, days, state, words):
    """
    Before peers refuse us.
    """
    ours = certificate(tmp_path, site_certificates, "ours", days=days)
    site["receive"] |= {"certificate_file": str(ours.certificate), "key_file": str(ours.key)}
    finding = looked(site)["our certificate's end"]

    assert (finding.state, words in finding.detail) == (State(state), True)


@pytest.fixture
def site_certificates(tmp_path: Path) -> Any:
    return authority(tmp_path)


def test_a_key_of_another_certificate_is_named(tmp_path, site_certificates, site):
    """
    TLS would fail at the first association.
    """
    ours, theirs = (certificate(tmp_path, site_certificates, name) for name in ("ours", "theirs"))
    site["receive"] |= {"certificate_file": str(ours.certificate), "key_file": str(theirs.key)}

    assert "our certificate" in wrong(site)


def test_an_archive_that_is_down_is_named(site):
    """
    With its address.
    """
    (port,) = free_ports(1)
    site["destination"] = [{"name": "PACS", "ae_title": "ORTHANC", "host": "127.0.0.1", "port": port}]

    assert f"127.0.0.1:{port}" in wrong(site)["destination PACS"]


def test_an_archive_that_answers_is_in_order(site, archive):
    """
    It is asked for all that it will get.
    """
    site["destination"] = [archive.destination.model_dump()]

    assert looked(site)[f"destination {archive.destination.name}"].state is State.OK


def test_our_own_receiver_as_the_archive_is_named(site):
    """
    Results would come back, and be refused.
    """
    port = site["receive"]["port"]
    site["destination"] = [{"name": "PACS", "ae_title": "SGSEG", "host": "localhost", "port": port}]

    assert "our own receiver" in wrong(site)["destination PACS"]


def test_a_store_without_rights_is_named(site, tmp_path):
    """
    A file stands where the folder should be.
    """
    (tmp_path / "store").write_text("x")

    assert "store" in wrong(site)


def test_a_store_on_a_network_share_is_named(site, monkeypatch):
    """
    Locks and fsync of a share cannot be trusted.
    """
    monkeypatch.setattr(surroundings, "_file_system_of", lambda folder: "nfs4")

    assert "[store] folder" in wrong(site)["store"]


@pytest.mark.parametrize(("free", "state"), [(500, "wrong"), (1500, "warning"), (2500, "ok")])
def test_a_disk_that_fills_up_is_named(site, monkeypatch, free, state):
    """
    Before images are refused, as a warning.
    """
    site["store"]["min_free_megabytes"] = 1000
    monkeypatch.setattr("node.store.store.Store.free_bytes", lambda store: free << 20)

    assert looked(site)["disk"].state is State(state)


def test_a_clock_that_was_never_set_is_named(site, monkeypatch):
    """
    Results would carry a date of years ago.
    """
    monkeypatch.setattr(surroundings.time, "time", lambda: 0.0)

    assert "set the clock" in wrong(site)["clock"]


def test_a_clock_that_nobody_keeps_right_is_worth_a_look(site, monkeypatch):
    """
    As systemd says.
    """
    monkeypatch.setattr(surroundings, "_is_synchronised", lambda: "no")

    assert "NTP" in wrong(site)["clock"]


def test_too_little_memory_is_worth_a_look(site):
    """
    With the settings that need less.
    """
    site["queue"] = {"memory_megabytes": 1_000_000}

    assert "[queue] memory_megabytes" in wrong(site)["memory"]


def test_the_model_gives_the_stored_answer(site):
    """
    That of torch in float32, where the weights were released.
    """
    assert "its answer is the stored one" in judge_known_image(Config.internal(**site))


def test_a_machine_that_computes_something_else_is_named(site, tmp_path):
    """
    It must not judge patients.
    """
    copy = tmp_path / "weights"
    shutil.copytree(packaged_weights(), copy)
    known = json.loads((copy / KNOWN_ANSWER_FILE).read_text())
    (copy / KNOWN_ANSWER_FILE).write_text(json.dumps({**known, "zones": [1 - p for p in known["zones"]]}))
    site["model"] = {"weights": str(copy)}

    with pytest.raises(InferenceError, match="do not use this machine for patients"):
        judge_known_image(Config.internal(**site))


def test_the_command_prints_a_line_each_and_its_exit_status_says_it(site, tmp_path, monkeypatch):
    """
    For people, and as JSON for programs.
    """
    port = site["receive"]["port"]
    file = tmp_path / "config.toml"
    file.write_text(
        f'[receive]\nport = {port}\n[store]\nfolder = "store"\nmin_free_megabytes = 1\n'
        f"[page]\nport = {site['page']['port']}\n"
    )
    good = CliRunner().invoke(app, ["doctor", "--quick", "--config", str(file)])
    with taken(port):
        bad = CliRunner().invoke(app, ["doctor", "--quick", "--json", "--config", str(file)])
    states = {line["subject"]: line["state"] for line in map(json.loads, bad.stdout.splitlines())}

    assert (good.exit_code, bad.exit_code) == (0, 1), good.output
    assert all(line.startswith("ok ") for line in good.stdout.splitlines())
    assert states["receiver's port"] == "wrong"
