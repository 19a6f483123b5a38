"""Files that broke the reading once, as the fuzzing found them (`tests.support.fuzzing`): drawn images of nobody."""

from pathlib import Path

import pytest

from tests.system.faults.fuzz_reading import read_all

CORPUS = sorted((Path(__file__).parents[2] / "support" / "corpus").glob("*.dcm"))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_what_broke_the_reading_once_is_read_or_refused(path, tmp_path):
    """
    By an error of ours, within its time and memory.
    """
    end = read_all(tmp_path, 1, lambda number: path.read_bytes())

    assert end.failed == {}
    assert end.outcomes.total() == 1
