"""What receiver and worker take of the machine does not grow with the images."""

import pytest

from tests.system.faults.soaking import soak

pytestmark = pytest.mark.system

_ROUNDING = 4
"""Descriptors and threads that come and go while nothing is sent."""


@pytest.mark.parametrize("half", ["receiver", "worker"])
def test_memory_descriptors_and_threads_stay_as_they_are(soaked, half):
    """
    After 150 images as after 50. The long form is `python -m benchmarks.faults soak`.
    """
    before, after = soaked[50][half], soaked[150][half]

    assert after.bytes < 1.15 * before.bytes
    assert after.descriptors <= before.descriptors + _ROUNDING
    assert after.threads <= before.threads + _ROUNDING
    assert after.processes == before.processes


@pytest.fixture(scope="module")
def soaked(tmp_path_factory):
    """What they take after 50 and after 150 images."""
    return soak(tmp_path_factory.mktemp("soak"), after=(50, 150))
