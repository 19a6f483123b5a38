"""`sgseg-node init` writes settings that can be used, with every comment."""

import pytest
from typer.testing import CliRunner

from node.cli import app
from node.setup.site import TEMPLATE, archive_of, settings_of, write_settings
from sgseg_dicom.config import load
from sgseg_dicom.errors import ConfigError


def run(*arguments: str, **options: object):
    return CliRunner().invoke(app, ["init", *arguments], **options)


def test_the_values_of_the_site_stand_among_the_comments(tmp_path):
    """
    Everything else is as it is in the template.
    """
    file = tmp_path / "config.toml"
    done = run(
        *("--yes", "--out", str(file), "--ae-title", "CHEST_AI", "--host", "0.0.0.0", "--port", "11113"),
        *(
            "--language",
            "de",
            "--archive",
            "PACS=ORTHANC@10.1.2.3:4242",
            "--archive",
            "DCM4CHEE@arc.example:11112",
        ),
    )
    config = load(file)

    assert done.exit_code == 0, done.output
    assert (config.receive.ae_title, config.receive.host, config.receive.port) == (
        "CHEST_AI",
        "0.0.0.0",
        11113,
    )
    assert config.report.language == "de"
    assert [(one.name, one.address, one.not_judged) for one in config.destination] == [
        ("PACS", "ORTHANC at 10.1.2.3:4242", True),
        ("DCM4CHEE", "DCM4CHEE at arc.example:11112", True),
    ]
    comments = [line for line in TEMPLATE.read_text().splitlines() if line.startswith("#")]
    assert [line for line in file.read_text().splitlines() if line.startswith("#")] == comments


def test_without_values_it_is_the_template(tmp_path):
    """
    The defaults are written once.
    """
    assert settings_of({}, ()).rstrip() == TEMPLATE.read_text().rstrip()


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    """
    Unless that is asked for.
    """
    file = tmp_path / "config.toml"
    file.write_text("[log]\n")
    refused = run("--yes", "--out", str(file))
    kept = file.read_text()
    replaced = run("--yes", "--replace", "--out", str(file))

    assert (refused.exit_code, kept) == (78, "[log]\n")
    assert "--replace" in refused.output
    assert replaced.exit_code == 0
    assert "[receive]" in file.read_text()


@pytest.mark.parametrize(
    "arguments", [("--port", "0"), ("--ae-title", "LONGER_THAN_SIXTEEN"), ("--archive", "10.1.2.3:104")]
)
def test_what_cannot_be_used_is_not_written(tmp_path, arguments):
    """
    The message says what would be right, and no file is left.
    """
    done = run("--yes", "--out", str(tmp_path / "config.toml"), *arguments)

    assert done.exit_code == 78
    assert "must" in done.output
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_the_template_lacks_is_a_fault_of_ours():
    """
    A renamed key would else be left out in silence.
    """
    with pytest.raises(ConfigError, match=r"\[receive\] colour"):
        settings_of({("receive", "colour"): "red"}, ())


def test_words_with_quotes_stay_words(tmp_path):
    """
    Names come from people.
    """
    folder = 'a "store" \\ of ours'
    config = write_settings(settings_of({("store", "folder"): folder}, ()), tmp_path / "config.toml")

    assert config.store.folder.name == folder


def test_an_archive_may_have_a_name_of_its_own():
    """
    Else it is called by its AE title.
    """
    assert archive_of("main archive=PACS@h:104").name == "main archive"
    assert archive_of("PACS@h:104").name == "PACS"
