"""An SQLite that is too old for the queue is named before anything starts."""

import sys

import pytest

from node.doctor.sqlite_version import require_new_sqlite
from sgseg_dicom.errors import ConfigError


@pytest.mark.parametrize("python", [(3, 12), (3, 13)])
def test_the_sqlite_of_debian_12_is_too_old_from_python_3_12_on(python):
    """DBOS cannot begin there: the node ended again and again, and named no cause."""
    with pytest.raises(
        ConfigError, match=r"SQLite is 3\.40\.1, .* needs 3\.42\.0 or newer; use Python 3\.11"
    ):
        require_new_sqlite(python, (3, 40, 1))


@pytest.mark.parametrize(("python", "sqlite"), [((3, 11), (3, 40, 1)), ((3, 13), (3, 42, 0))])
def test_an_older_python_and_a_newer_sqlite_will_do(python, sqlite):
    """Debian 12 as it is, and Debian 13."""
    assert require_new_sqlite(python, sqlite).startswith(".".join(map(str, sqlite)))


def test_this_machine_is_one_on_which_the_node_starts():
    """Otherwise no other test of the queue would pass."""
    assert require_new_sqlite().endswith(f"Python {sys.version_info[0]}.{sys.version_info[1]}")
