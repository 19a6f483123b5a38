"""Work that the database lists as running, and that nothing runs, is continued."""

from types import SimpleNamespace

import pytest
from dbos import DBOS
from dbos import error as dbos_error
from sqlalchemy.exc import OperationalError

from node.work.workflows import Workflows


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("UPDATE", {}, Exception("database or disk is full")),
        dbos_error.DBOSNonExistentWorkflowError("target", "job"),
    ],
    ids=["the disk is full", "its row has gone"],
)
def test_what_could_not_be_continued_is_tried_again(monkeypatch, error):
    """
    The disk that ended the work may still be full at the first try: the thread that looks must not end by it.
    """
    errors, continued = [error], []

    def resume(workflow_id: str, *, queue_name: str | None) -> None:
        if errors:
            raise errors.pop()
        continued.append((workflow_id, queue_name))

    monkeypatch.setattr(DBOS, "resume_workflow", resume)
    looks = iter([False, False, False, True])
    workflows = Workflows.__new__(Workflows)
    workflows._stopped = SimpleNamespace(wait=lambda seconds: next(looks))  # type: ignore[assignment]
    workflows._jobs = SimpleNamespace(in_work=lambda: {"job": None})  # type: ignore[assignment]
    workflows._running = SimpleNamespace(ids=set())  # type: ignore[assignment]
    workflows._interrupted = SimpleNamespace(rest=lambda: None)  # type: ignore[assignment]
    workflows._resume()

    assert continued == [("job", None)]
