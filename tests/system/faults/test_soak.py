"""What receiver and worker take of the machine does not grow with the images."""

import pytest

from tests.system.faults.soaking import soak

pytestmark = pytest.mark.system

_MORE = 30
"""Pools of threads may fill up as late as here, by chance; a leak of one an image would be 60 more."""


@pytest.mark.parametrize("half", ["receiver", "worker"])
def test_memory_descriptors_and_threads_stay_as_they_are(soaked, half):
    """
    After 90 images as after 30. The long form is `python -m benchmarks.faults soak`.
    """
    before, after = soaked[30][half], soaked[90][half]

    assert after.bytes < 1.15 * before.bytes
    assert after.descriptors <= before.descriptors + _MORE
    assert after.threads <= before.threads + _MORE
    assert after.processes == before.processes


@pytest.fixture(scope="module")
def soaked(tmp_path_factory):
    """What they take after 30 and after 90 images."""
    return soak(tmp_path_factory.mktemp("soak"), after=(30, 90))
