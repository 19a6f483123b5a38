"""`sgseg-node send`: a radiograph to a node, and what it answered."""

import pytest
from pydicom.uid import generate_uid
from typer.testing import CliRunner

from node.cli import app
from node.setup.send import node_at
from sgseg_dicom.config import Config
from sgseg_dicom.errors import ConfigError
from tests.support.builders import chest_radiograph, write


def test_each_file_has_its_answer(node, tmp_path):
    """
    A file that is not DICOM, and one that is not there, stop no other one; the exit status says it.
    """
    image = chest_radiograph(SOPInstanceUID=generate_uid())
    good = write(image, tmp_path / "good.dcm")
    (tmp_path / "note.dcm").write_text("x" * 200)
    to = f"SGSEG@127.0.0.1:{node.receiver.ready['port']}"
    files = [str(tmp_path / name) for name in ("note.dcm", "nothing.dcm")]
    done = CliRunner().invoke(app, ["send", *files, str(good), "--to", to])
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines())

    assert done.exit_code == 1
    assert "no DICOM file" in lines[files[0]]
    assert "cannot be read" in lines[files[1]]
    assert lines[str(good)].startswith("taken by")
    assert node.settled(image.SOPInstanceUID)


@pytest.mark.parametrize("to", ["10.1.2.3:104", "PACS@10.1.2.3", "PACS@10.1.2.3:x", "PACS@10.1.2.3:0"])
def test_an_address_that_is_none_says_how_one_looks(to):
    """
    Before anything is sent.
    """
    with pytest.raises(ConfigError, match="--to is"):
        node_at(Config.internal(), to, tls=False, ca_file=None)


def test_a_node_that_listens_everywhere_is_reached_on_this_machine():
    """
    0.0.0.0 is no address to call.
    """
    config = Config.internal(receive={"host": "0.0.0.0", "port": 11112})

    assert node_at(config, "", tls=False, ca_file=None).address == "SGSEG at 127.0.0.1:11112"


def test_our_own_node_with_tls_is_called_over_tls(site):
    """
    With our own certificate, as the node asks itself.
    """
    config = Config.internal(receive={"port": 2762, **site.strict})
    own = node_at(config, "", tls=False, ca_file=None)

    assert own.tls
    assert (str(own.certificate_file), str(own.ca_file)) == (
        site.strict["certificate_file"],
        site.strict["client_ca_file"],
    )
