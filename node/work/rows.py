"""Rows of workflows, which DBOS writes into the queue's database -> entries of the status."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from node.jobs import TRY_AGAIN, Delivery, Ending, Entry, Job, Outcome, Sent

ANSWER, DELIVER = "answer", "deliver"
"""Names of the workflows, and of the queues of DBOS. They are stored in the database: never change them."""

STATES = ("ENQUEUED", "DELAYED", "PENDING")
UNFINISHED = f"status IN {STATES!r}"
"""The states of DBOS in which a workflow has not ended, for a condition and for the index that serves it."""

TROUBLED = " + ".join(
    f"instr(output, '{text}')"
    for text in ('"ending":"failed"', '"ending":"quarantined"', '"state":"refused"', '"state":"failed"')
)
TROUBLED = f"{TROUBLED} > 0"
"""The same for outputs that may tell of a failure. Quotes within a text of JSON are escaped: it never looks so."""

WAITING = "waiting"
"""Name of the attribute of a delivery's workflow that says how its last attempt ended. It is stored."""

ORDER = "s.created_at, s.rowid"
"""In which jobs became workflows."""

_INPUTS = "coalesce(i.inputs, s.inputs)"  # DBOS has moved them, and outputs, into tables of their own
_ENTRY = (
    f"SELECT s.workflow_uuid, s.status, {_INPUTS}, coalesce(o.output, s.output) "
    "FROM workflow_status s LEFT JOIN workflow_input i USING (workflow_uuid) "
    "LEFT JOIN workflow_output o USING (workflow_uuid) "
    f"WHERE s.name = '{ANSWER}' AND"
)
_DELIVERY = (
    "SELECT s.workflow_uuid, s.status, s.attributes, coalesce(o.output, s.output) "
    "FROM workflow_status s LEFT JOIN workflow_output o USING (workflow_uuid) WHERE"
)
_TABLES = ("workflow_input", "workflow_output", "operation_outputs", "workflow_status")
_AT_ONCE = 5000
"""SQLite takes at most 32766 values in one statement."""

Row = Sequence[Any]


def delivery_id(job_id: str, destination: str) -> str:
    """Give the id of the workflow that repeats the delivery of a job's results to a destination."""
    return f"{job_id}/{destination}"


def entries(database: sqlite3.Connection, condition: str, *values: Any) -> list[Entry]:
    """Give the jobs whose workflows fulfil a *condition*, which may go on with an order and a limit."""
    return _with_deliveries(database, database.execute(f"{_ENTRY} {condition}", values).fetchall())


def entries_of(database: sqlite3.Connection, ids: Sequence[str]) -> list[Entry]:
    """Give the jobs with these ids that are workflows, in the order in which they became some."""
    return _with_deliveries(database, _by_ids(database, _ENTRY, ids))


def ids(database: sqlite3.Connection, condition: str, *values: Any) -> list[str]:
    """Give the ids of the workflows that fulfil a condition."""
    rows = database.execute(f"SELECT s.workflow_uuid FROM workflow_status s WHERE {condition}", values)
    return [row[0] for row in rows]


def count(database: sqlite3.Connection, name: str, more: str = "") -> int:
    """Count the workflows of a name that have not ended; *more* is SQL behind the condition for that."""
    condition = f"{UNFINISHED} AND name = ? {more}"
    return int(
        database.execute(f"SELECT count(*) FROM workflow_status WHERE {condition}", (name,)).fetchone()[0]
    )


def oldest_unanswered(database: sqlite3.Connection) -> float:
    """Give when the oldest image was received that is a workflow and has no answer; 0 where there is none."""
    first = f"AND s.{UNFINISHED} ORDER BY s.created_at LIMIT 1"
    for _, _, inputs, _ in database.execute(f"{_ENTRY} 1 {first}"):
        return job_of(inputs).received_at
    return 0.0


def waiting_deliveries(database: sqlite3.Connection) -> dict[str, tuple[int, float]]:
    """Count, for each destination, the deliveries that have not ended, and give the POSIX time of the oldest."""
    found = database.execute(
        "SELECT substr(workflow_uuid, instr(workflow_uuid, '/') + 1), count(*), min(created_at) "
        f"FROM workflow_status WHERE {UNFINISHED} AND name = ? GROUP BY 1",
        (DELIVER,),
    )
    return {destination: (number, oldest / 1000) for destination, number, oldest in found}


def jobs(database: sqlite3.Connection) -> list[Job]:
    """Give the jobs of all workflows."""
    rows = database.execute(f"{_ENTRY} 1")
    return [job_of(inputs) for _, _, inputs, _ in rows if inputs]


def job_of(inputs: str) -> Job:
    """Give the job that is the argument of a workflow."""
    return Job(**json.loads(inputs)["positionalArgs"][0])


def delete(database: sqlite3.Connection, job_id: str) -> None:
    """Delete the workflow of a job, and those of its deliveries."""
    for table in _TABLES:
        database.execute(
            f"DELETE FROM {table} WHERE workflow_uuid = ? OR (workflow_uuid > ? AND workflow_uuid < ?)",
            (job_id, f"{job_id}/", f"{job_id}0"),  # "0" follows "/"
        )


def _by_ids(database: sqlite3.Connection, statement: str, ids: Sequence[str]) -> list[Row]:
    """Run a statement for workflows with these ids, a few thousand at a time."""
    found: list[Row] = []
    for start in range(0, len(ids), _AT_ONCE):
        part = ids[start : start + _AT_ONCE]
        condition = f"s.workflow_uuid IN ({', '.join('?' * len(part))}) ORDER BY {ORDER}"
        found += database.execute(f"{statement} {condition}", part).fetchall()
    return found


def _with_deliveries(database: sqlite3.Connection, rows: Sequence[Row]) -> list[Entry]:
    begun = [workflow_id for row in rows for workflow_id in _begun_by(row)]
    found = _by_ids(database, _DELIVERY, begun)
    later = {row[0]: sent for row in found if (sent := _delivery(row))}
    return [_entry(row, later) for row in rows]


def _begun_by(row: Row) -> list[str]:
    """Give the ids of the deliveries that a job has begun and not ended itself."""
    deliveries = json.loads(row[3])["deliveries"] if row[3] else []
    return [delivery_id(row[0], one["destination"]) for one in deliveries if one["state"] == Sent.WAITING]


def _entry(row: Row, later: Mapping[str, Delivery]) -> Entry:
    """Turn the row of an image's workflow into an entry; *later* are deliveries by the ids of their workflows."""
    _, status, inputs, output = row
    job = job_of(inputs)
    if output:
        stored = json.loads(output)
        outcome = Outcome.from_dict(stored["outcome"])
        sent = (Delivery.from_dict(delivery) for delivery in stored["deliveries"])
        deliveries = tuple(later.get(delivery_id(job.id, d.destination), d) for d in sent)
        return Entry(job=job, state=outcome.ending, outcome=outcome, deliveries=deliveries)
    if status in STATES:
        return Entry(job=job, state="working" if status == "PENDING" else "waiting")
    outcome = Outcome(ending=Ending.FAILED, reason="abandoned", detail=_death(status))
    return Entry(job=job, state=outcome.ending, outcome=outcome)


def _delivery(row: Row) -> Delivery | None:
    """Turn the row of a delivery's workflow into how it stands; None where it was not tried yet."""
    workflow_id, status, attributes, output = row
    if output:
        return Delivery.from_dict(json.loads(output))
    if status in STATES:
        waiting = (json.loads(attributes or "null") or {}).get(WAITING)
        return Delivery.from_dict(waiting) if waiting else None
    return Delivery(destination=workflow_id.split("/", 1)[1], state=Sent.FAILED, detail=_death(status))


def _death(status: str) -> str:
    """Describe a workflow that DBOS has ended."""
    if status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
        return f"the worker died several times while it processed this image; {TRY_AGAIN}"
    return f"the workflow ended as {status}; {TRY_AGAIN}"
