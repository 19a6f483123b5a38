"""What holds for all tests: CI may skip only what needs a GPU, and a property has the same examples each time."""

import os

import pytest
from hypothesis import settings

# Before torch is imported. Each worker of pytest-xdist has one core, and so have the processes that its tests start;
# threads that spin while they wait would take it from them.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

settings.load_profile("ci")  # no chance, no deadline, no memory; for a search: --hypothesis-profile=default

_skipped: list[str] = []
"""Of all workers: pytest-xdist hands their reports to the process that started them, and that one decides."""


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        _skipped.append(f"{report.nodeid}: {report.longrepr[2]}")


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        _skipped.append(f"{report.nodeid}: {report.longrepr[2]}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A test that CI passed over was not passed."""
    forbidden = [skip for skip in _skipped if "GPU" not in skip]
    if os.environ.get("CI") and forbidden and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print("\nCI may skip only what needs a GPU, but skipped:", *forbidden, sep="\n  ")
