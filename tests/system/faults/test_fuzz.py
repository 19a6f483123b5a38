"""Broken and hostile data sets: an error of ours, an answer, and nothing else. The long form: `benchmarks.faults`."""

import pytest

from tests.node.processes import RECEIVE, half
from tests.system.faults.fuzz_reading import read_fuzzed
from tests.system.faults.fuzz_receiver import send_fuzzed

pytestmark = pytest.mark.system


def test_fuzzed_files_are_read_or_refused_by_an_error_of_ours(tmp_path):
    """
    No other exception, no file above 5 s of processor time or 1 GB of memory.
    """
    end = read_fuzzed(tmp_path, 300, seed=3)

    assert end.failed == {}
    assert end.outcomes.total() == 300
    assert end.outcomes["read"] > 30
    assert end.outcomes["InvalidDataset"] > 30


def test_each_fuzzed_data_set_is_answered_or_aborted(configure, tmp_path):
    """
    The receiver goes on: a good image is stored afterwards.
    """
    config = configure()
    with half(RECEIVE, config, tmp_path) as receiver:
        end = send_fuzzed(receiver, tmp_path, 50, seed=3)

    assert (end.silent, end.good, end.lives) == ([], ["0x0000"], True)
    assert end.answers["0x0000"] > 10
