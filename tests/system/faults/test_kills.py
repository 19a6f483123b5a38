"""Receiver, worker and judging processes are killed at random while images are on their way."""

import pytest

from tests.system.faults.killing import kill_at_random

pytestmark = pytest.mark.system


def test_no_image_is_lost_doubled_or_half_written_by_kills_at_random(tmp_path):
    """
    Four senders send until each image was answered with success; four kills meet a node that has work.

    The long form is `python -m benchmarks.faults kills`.
    """
    end = kill_at_random(tmp_path, images=18, kills=4, seed=21)

    assert sum(end.kills.values()) == 4
    assert min(end.in_work) > 0
    assert (end.lost, end.doubled, end.half_written) == ([], [], [])
