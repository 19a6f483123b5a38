"""The figure of lungs is drawn by a command, of films that it chooses by itself."""

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from sgseg_dicom.model_records import INPUT_SIZE
from tests.training.builders import small_data_set
from tests.training.other_sources import small_other_sources
from training.cli import app
from training.data import DataError
from training.data.film import Group
from training.heads.drawings import DRAWN, drawn_films


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    return small_data_set(folder / "qata"), small_other_sources(folder / "other")


def test_one_film_is_drawn_for_each_place(folders):
    """Of its source and group; where there are fewer films the count begins anew."""
    films = drawn_films(*folders)

    assert [(film.source, film.group) for film in films] == [(source, group) for source, group, _ in DRAWN]
    assert len({film.item.name for film in films if film.group is Group.COVID}) > 1


def test_a_source_that_is_missing_is_told(folders):
    """The figure would show fewer films than its words say."""
    (path,) = (folders[1] / "nodule").glob("jsrt__*.png")
    moved = path.rename(path.with_name("elsewhere.png"))

    with pytest.raises(DataError, match="no film of jsrt, nodule"):
        drawn_films(*folders)
    moved.rename(path)


def test_the_command_draws_eight_films(folders, tiny_weights, tmp_path):
    """Four in a row, two rows; what was drawn is no single grey."""
    data, other = folders
    out = tmp_path / "figures" / "lungs.png"
    given = ["--data", data, "--other", other, "--out", out, "--weights", tiny_weights]

    result = CliRunner().invoke(app, ["draw-lungs", *map(str, given)])

    assert result.exit_code == 0, result.output
    with Image.open(out) as image:
        assert image.width == 4 * INPUT_SIZE
        assert image.height > 2 * INPUT_SIZE
        assert len(np.unique(np.asarray(image))) > 1
