"""What holds for all tests: CI may skip only what needs a GPU, and a property has the same examples each time."""

import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import settings

# Before torch is imported. Each worker of pytest-xdist has one core, and so have the processes that its tests start;
# threads that spin while they wait would take it from them.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

settings.load_profile("ci")  # no chance, no deadline, no memory; for a search: --hypothesis-profile=default

_LONG_ONES_FIRST = (
    "tests/viewers/",
    "tests/system/",
    "tests/training/",
    "tests/core/contracts/",
    "tests/node/",
)
"""What takes long for one file: begun at the end, it would leave the other worker without work."""

_ONE_ARCHIVE = ("tests/viewers/",)
"""Folders whose files share what is started once: all of one goes to one worker."""


@pytest.fixture(autouse=True)
def logs_are_of_one_test() -> Iterator[None]:
    """A command that a test calls in this process sets up the logs of the process: the next test begins without."""
    hooks = warnings.showwarning, threading.excepthook, sys.excepthook
    yield
    structlog.reset_defaults()
    warnings.showwarning, threading.excepthook, sys.excepthook = hooks
    root, ours = logging.getLogger(), structlog.stdlib.ProcessorFormatter
    for handler in [one for one in root.handlers if isinstance(one.formatter, ours)]:
        root.removeHandler(handler)  # it writes to a stream that may be closed
    dbos = logging.getLogger("dbos")
    dbos.handlers, dbos.propagate = [], True
    logging.getLogger("node").setLevel(logging.NOTSET)


_skipped: list[str] = []
"""Of all workers: pytest-xdist hands their reports to the process that started them, and that one decides."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give a worker the tests of a whole file, or of a whole folder where the files share an archive; in order."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            shared = (folder for folder in _ONE_ARCHIVE if nodeid.startswith(folder))
            return next(shared, nodeid.split("::", 1)[0])

    config.option.loadscopereorder = False
    return ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let workers begin with what takes long."""

    def place(item: pytest.Item) -> int:
        found = (place for place, folder in enumerate(_LONG_ONES_FIRST) if item.nodeid.startswith(folder))
        return next(found, len(_LONG_ONES_FIRST))

    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=place)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        _skipped.append(f"{report.nodeid}: {report.longrepr[2]}")


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        _skipped.append(f"{report.nodeid}: {report.longrepr[2]}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A test that CI passed over was not passed."""
    forbidden = sorted({skip for skip in _skipped if "GPU" not in skip})
    if os.environ.get("CI") and forbidden and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print("\nCI may skip only what needs a GPU, but skipped:", *forbidden, sep="\n  ")
