"""`quarantine` shows what is held back, and `delete` removes for good."""

import json
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from node.audit.trail import Trail
from node.cli import app
from node.held_back import delete
from node.jobs import Ending, Outcome
from node.store.acknowledgements import Acknowledged
from node.store.store import open_store
from node.work.queue import open_jobs
from sgseg_dicom.config import Config
from tests.node.conftest import settings
from tests.node.processes import STAND_IN, entry_of, half, receive_here, wait_for


@dataclass(frozen=True)
class Site:
    """A store with one image that is well, one that conflicts with it, and one whose results broke a rule."""

    config: Config
    file: Path
    well: str
    invalid: str

    def ask(self, *words: str, answer: str = "") -> Result:
        return CliRunner().invoke(app, [*words, "--config", str(self.file)], input=answer)

    def jobs(self) -> dict[str, str]:
        """Give the state of each job that the queue knows."""
        with closing(open_jobs(self.config)) as jobs:
            return {entry.job.id: entry.state for entry in jobs.all()}

    def conflicting(self) -> str:
        return next(job for job in self.jobs() if job.endswith("-conflict"))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Site:
    folder = tmp_path_factory.mktemp("site")
    config = settings(folder)
    file = folder / "config.toml"
    file.write_text(f'[store]\nfolder = "{config.store.folder}"\nmin_free_megabytes = 0\n')
    well = receive_here(config, seed=1, peer="ROOM_1")
    receive_here(config, seed=2, SOPInstanceUID=well, peer="ROOM_2")
    invalid = receive_here(config, seed=3)
    store = open_store(config)
    store.quarantine.keep_results(entry_of(config, invalid).job.id, {}, rules=["SEG-1"], violations=["x"])
    with half(STAND_IN, config, folder), closing(open_jobs(config)) as jobs:
        wait_for(lambda: all(entry.settled for entry in jobs.all()), what="the images to settle")
    # Judged, an image has no results in the quarantine any more: they are put there again.
    store.quarantine.keep_results(entry_of(config, invalid).job.id, {}, rules=["SEG-1"], violations=["x"])
    return Site(config, file, well, invalid)


def test_the_list_says_what_why_from_whom_and_whether_somebody_has_looked(made):
    """
    One JSON line an entry, the newest first.
    """
    Acknowledged(made.config.store.folder).add(made.conflicting())
    answer = made.ask("quarantine", "--json")
    entries = [json.loads(line) for line in answer.stdout.splitlines()]
    Acknowledged(made.config.store.folder).discard(made.conflicting())

    assert answer.exit_code == 0
    shown = [(e["what"], e["reason"], e["peer"], e["sop_instance_uid"], e["acknowledged"]) for e in entries]
    assert shown == [
        ("results", "SEG-1", "TESTER", made.invalid, False),
        ("image", "ConflictingInstance", "ROOM_2", made.well, True),
    ]
    assert all(Path(entry["path"]).exists() for entry in entries)


def test_the_table_names_whole_uids_and_paths(made, monkeypatch):
    """
    The next command needs them.
    """
    monkeypatch.delenv("COLUMNS", raising=False)
    text = made.ask("quarantine").stdout

    assert made.well in text
    assert "ConflictingInstance" in text
    assert "SEG-1" in text


def test_nothing_is_said_where_nothing_is_held_back(made, tmp_path):
    """
    Not an empty table.
    """
    file = tmp_path / "config.toml"
    file.write_text('[store]\nfolder = "store"\n')
    open_jobs(Config.internal(store={"folder": tmp_path / "store"})).close()
    answer = CliRunner().invoke(app, ["quarantine", "--config", str(file)])

    assert "nothing is in the quarantine" in answer.stdout


def test_a_conflicting_image_is_not_queued_again_and_why(made):
    """
    Its results would stand beside the other image.
    """
    before = made.jobs()[made.conflicting()]
    made.ask("requeue", made.well)

    assert made.jobs()[made.conflicting()] == before


def test_nothing_is_deleted_without_a_yes(made):
    """
    What would go is shown.
    """
    before = made.jobs()
    answer = made.ask("delete", made.well, answer="n\n")

    assert answer.exit_code == 1
    assert made.conflicting() in answer.stdout
    assert made.jobs() == before


def test_what_is_not_known_or_not_ended_is_not_deleted(made):
    """
    An image in work would come back.
    """
    waiting = receive_here(made.config, seed=9)
    answer = made.ask("delete", waiting, "1.2.3", "--yes")

    assert answer.exit_code == 1
    assert "not deleted: it is still in work" in answer.output
    assert "1.2.3: not known here" in answer.output
    assert len([job for job, state in made.jobs().items() if state == "waiting"]) >= 1


def test_a_deleted_job_leaves_nothing_and_its_namesake_everything(made):
    """
    Named by its job, the conflicting image alone goes: file, record and acknowledgement; the trail says who did it.
    """
    job, before = made.conflicting(), made.jobs()
    image = made.config.store.folder / "quarantine" / f"{job}.dcm"
    assert image.exists()
    answer = made.ask("delete", job, "--yes")

    assert (answer.exit_code, image.exists()) == (0, False)
    assert made.jobs() == {other: state for other, state in before.items() if other != job}
    lines = [
        json.loads(line)
        for path in Trail(made.config.store.folder).files()
        for line in path.read_bytes().splitlines()
    ]
    assert [(line["job"], line["was"]) for line in lines if line["event"] == "deleted"] == [
        (job, "quarantined")
    ]


def test_a_trail_that_somebody_changed_ends_with_1(made):
    """
    For monitoring; the place is named.
    """
    made.ask("audit", "export")
    made.ask("audit", "export")
    well = made.ask("audit", "verify")
    path = Trail(made.config.store.folder).files()[0]
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"exported"', b'"whatever"', 1))
    broken = made.ask("audit", "verify")
    path.write_bytes(content)
    head = well.stdout.split()[-1]

    assert (well.exit_code, broken.exit_code) == (0, 1)
    assert f"broken: {path.name} line" in broken.output
    assert made.ask("audit", "verify", "--head", head).exit_code == 0
    assert made.ask("audit", "verify", "--head", "0" * 64).exit_code == 1


def test_an_export_has_the_events_of_its_time(made):
    """
    Both forms, one line an event.
    """
    made.ask("audit", "export")
    everything = made.ask("audit", "export", "--format", "dicom").stdout.splitlines()
    nothing = made.ask("audit", "export", "--until", "2020-01-01").stdout.splitlines()
    since = made.ask("audit", "export", "--since", "2020-01-01T00:00:00").stdout.splitlines()

    assert all(line.startswith("<AuditMessage>") for line in everything)
    assert nothing == []
    assert len(since) == len(everything) + 2
    assert json.loads(since[-1])["event"] == "exported"


def test_what_was_not_deleted_is_not_said_to_be(tmp_path):
    """
    The image came again meanwhile: it stays, and the trail has no `deleted`.
    """
    config = settings(tmp_path)
    receive_here(config)
    with closing(open_jobs(config)) as jobs:
        (entry,) = jobs.all()
    settled = replace(entry, state=Ending.FAILED, outcome=Outcome(ending=Ending.FAILED))

    assert list(delete(config, [settled])) == []
    assert Trail(config.store.folder).files() == []
