"""What version 0.3.0 left on disk is continued: a store, a configuration, weights (`data_0_3_0/README.md`)."""

import json
import shutil
import tarfile
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydicom import dcmread
from typer.testing import CliRunner

from node.cli import app
from node.delivery.protocols import SENDERS
from node.jobs import Entry, Sent
from node.operations import needing_attention, requeue
from node.store.acknowledgements import Acknowledged
from node.store.store import Store
from node.work.queue import open_jobs
from sgseg_dicom.config import Config, load
from sgseg_dicom.destinations import DESTINATIONS
from sgseg_dicom.model import image_check, weights
from sgseg_dicom.release.image_check_manifest import packaged_image_check
from sgseg_dicom.release.manifest import packaged_weights
from tests.node.processes import STAND_IN, Archive, begun, half, wait_for

DATA = Path(__file__).parent / "data_0_3_0"

DELIVERED = "1.2.826.0.1.3680043.8.498.11207652496362482994319359728760438603"
NOT_JUDGED = "1.2.826.0.1.3680043.8.498.60408061695418386215352389625019340100"
INVALID = "1.2.826.0.1.3680043.8.498.63469331635228435562588481365565534640"
ACKNOWLEDGED = "1.2.826.0.1.3680043.8.498.57110697625173672956519536479466397868"
UNDELIVERED = "1.2.826.0.1.3680043.8.498.79876239965581190402846533872755934281"
IN_WORK = "1.2.826.0.1.3680043.8.498.10586853781083659851270894056429593333"
WAITING = "1.2.826.0.1.3680043.8.498.22959990638829605086712068596566721879"


@pytest.fixture
def archive() -> Iterator[Archive]:
    peer = Archive()
    yield peer
    peer.close()


@pytest.fixture
def config(tmp_path, archive, configure) -> Config:
    """The store of 0.3.0 with one destination more; "down", which did not respond then, now does."""
    with tarfile.open(DATA / "store.tar.gz") as tar:
        tar.extractall(tmp_path, filter="data")
    named = [archive.destination.model_dump() | {"name": name} for name in ("archive", "down")]
    return configure(destination=named, store={"keep_days": 0})


def entries(config: Config) -> dict[str, Entry]:
    """Give the entry of each image by its UID, of the two under one UID the one that does not conflict."""
    with closing(open_jobs(config)) as jobs:
        return {entry.job.sop_instance_uid: entry for entry in jobs.all() if not entry.job.conflicting}


def test_every_job_is_shown_as_it_stood(config):
    """
    Waiting, in work, delivered, not delivered yet, rejected and failed: with the same words.
    """
    found = entries(config)

    assert {uid: entry.state for uid, entry in found.items()} == {
        DELIVERED: "finding",
        NOT_JUDGED: "rejected",
        INVALID: "failed",
        ACKNOWLEDGED: "failed",
        UNDELIVERED: "finding",
        IN_WORK: "working",
        WAITING: "waiting",
    }
    assert [sent.state for sent in found[DELIVERED].deliveries] == [Sent.DELIVERED]
    assert [sent.state for sent in found[UNDELIVERED].deliveries] == [Sent.WAITING]
    assert (found[DELIVERED].settled, found[UNDELIVERED].settled) == (True, False)
    assert found[NOT_JUDGED].outcome.reason == "lateral-view"
    assert found[INVALID].outcome.reason == "InvalidResult"


def test_the_status_command_lists_every_image(config, tmp_path):
    """
    Eight lines of JSON with the keys that monitoring reads.
    """
    (tmp_path / "config.toml").write_text('[store]\nfolder = "store"\nmin_free_megabytes = 0\n')

    result = CliRunner().invoke(app, ["status", "--json", "--config", str(tmp_path / "config.toml")])

    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == 8
    assert all(set(line) == {"job", "state", "outcome", "deliveries", "acknowledged"} for line in lines)
    assert {line["state"] for line in lines} >= {"quarantined", "waiting", "working"}


def test_what_was_acknowledged_stays_so_and_the_rest_needs_attention(config):
    """
    The conflicting image and the results that broke a rule; a failure that somebody has looked at does not.
    """
    shown = needing_attention(config, 100, failed=True)

    assert {(entry.job.sop_instance_uid, entry.state) for entry in shown} == {
        (DELIVERED, "quarantined"),
        (INVALID, "failed"),
    }
    assert entries(config)[ACKNOWLEDGED].job.id in Acknowledged(config.store.folder)


def test_the_quarantine_is_counted(config):
    """
    One image, and the results of another one.
    """
    store = Store(config.store.folder)

    assert (store.quarantine.count_images(), store.quarantine.count_results()) == (1, 1)


def test_stored_results_are_found_with_their_outcome(config):
    """
    The outcome beside the results is that of the queue; a report "not judged" is no result to reuse.
    """
    results, found = Store(config.store.folder).results, entries(config)
    job, rejected = found[DELIVERED].job.id, found[NOT_JUDGED].job.id

    assert results.reusable_outcome(job).files == found[DELIVERED].outcome.files == ("seg.dcm", "sr.dcm")
    assert results.summary_of(job) == "- AAPAAA R"
    assert results.files_for(job, "archive") == [results.path / job / name for name in ("seg.dcm", "sr.dcm")]
    assert results.reusable_outcome(rejected) is None
    assert results.files_for(rejected, "archive") == [results.path / rejected / "answer.dcm"]


def test_an_image_that_comes_again_is_not_new(config, tmp_path):
    """
    Its key is the same as ever, so it is the same job.
    """
    store, job = Store(config.store.folder), entries(config)[DELIVERED].job
    again = Path(shutil.copy(store.folder / job.file, store.incoming / "again.dcm"))

    stored = store.put(again, DELIVERED)

    assert (stored.id, stored.file, stored.new, stored.conflicting) == (job.id, job.file, False, False)


def test_the_worker_continues_what_was_left(config, archive, tmp_path):
    """
    Judged are the image that waited and the one that was in work; delivered are the results that waited. Results that
    were delivered are sent again on request, as they are: the image is not judged again.
    """
    (tmp_path / "go").touch()  # the image that was in work waits for it
    results, found = Store(config.store.folder).results, entries(config)
    stored = [
        *results.files_for(found[UNDELIVERED].job.id, "down"),
        *results.files_for(found[DELIVERED].job.id, "archive"),
    ]
    before = [path.read_bytes() for path in stored]
    assert [entry.job.sop_instance_uid for entry in requeue(config, [DELIVERED], failed=False)] == [DELIVERED]

    with half(STAND_IN, config, tmp_path):
        uids = (WAITING, IN_WORK, UNDELIVERED, DELIVERED)
        wait_for(lambda: all(entries(config)[uid].settled for uid in uids), what="the four images to settle")

    found = entries(config)
    assert {uid: sent_to(found[uid]) for uid in uids} == {
        WAITING: {"archive": Sent.DELIVERED, "down": Sent.DELIVERED},
        IN_WORK: {"archive": Sent.DELIVERED, "down": Sent.DELIVERED},
        UNDELIVERED: {"down": Sent.DELIVERED},
        DELIVERED: {"archive": Sent.DELIVERED},
    }
    assert set(begun(tmp_path)) == {WAITING, IN_WORK}
    assert [path.read_bytes() for path in stored] == before
    assert {str(dcmread(path).SOPInstanceUID) for path in stored} <= set(archive.uids())
    assert len(archive.got) == 2 * 6


def sent_to(entry: Entry) -> dict[str, Sent]:
    return {sent.destination: sent.state for sent in entry.deliveries}


def test_a_configuration_with_every_key_starts():
    """
    Each value arrives in the settings; a file name becomes relative to the configuration's folder.
    """
    text = (DATA / "config.toml").read_text()
    settings = json.loads(load(DATA / "config.toml").to_json())

    written = tomllib.loads(text)
    written["store"]["folder"] = str(DATA / written["store"]["folder"])
    for destination in written["destination"]:
        destination |= {key: str(DATA / destination[key]) for key in destination if key.endswith("_file")}

    new = {("receive", "check_called_ae_title"), ("receive", "max_associations_per_address")}
    new |= {("receive", "pdu_seconds"), ("page", "names")}
    new |= {("receive", key) for key in ("answer_seconds", "max_object_megabytes", "certificate_file")}
    new |= {("receive", "key_file"), ("receive", "client_ca_file")}
    new |= {("queue", key) for key in ("processes", "image_seconds", "inference_seconds", "memory_megabytes")}
    new |= {("queue", "max_megapixels"), ("queue", "priority_places")}
    new |= {("model", key) for key in ("runtime", "precision", "threads", "compiled_folder")}
    new |= {("store", "make_room_below_megabytes"), ("report", "picture_style")}
    new |= {
        ("store", "make_room_below_megabytes"),
        ("store", "keep_measurements_days"),
        ("report", "compare"),
    }
    for section, key in new:
        del settings[section][key]
    for section in ("audit", "watch", "notify"):
        del settings[section]
    assert settings.pop("sender") == []
    destinations = zip(written.pop("destination"), settings.pop("destination"), strict=True)
    assert settings == written
    assert all(one == {key: other[key] for key in one} for one, other in destinations)


def test_every_protocol_of_the_configuration_has_a_sender():
    """
    The settings stand in the core and the senders in the node: the two lists are the same.
    """
    assert set(SENDERS) == set(DESTINATIONS)


def test_weights_load(tmp_path):
    """
    The weights that come with this version are still those of 0.3.0: they load with the manifest of then.
    """
    shutil.copy(DATA / "manifest.json", tmp_path / "manifest.json")
    (tmp_path / "model.safetensors").symlink_to(packaged_weights() / "model.safetensors")

    members, manifest = weights.load_members(tmp_path)

    assert len(members) == manifest.members == 2
    assert manifest.version == "0.3.0"


def test_weights_of_the_image_check_load(tmp_path):
    """
    As the weights of the model.
    """
    shutil.copy(DATA / "image_check_manifest.json", tmp_path / "manifest.json")
    (tmp_path / "model.safetensors").symlink_to(packaged_image_check() / "model.safetensors")

    assert image_check.load_image_check(tmp_path).limits
