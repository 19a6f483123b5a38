"""The queue's database, made by whoever comes first."""

import fcntl
from concurrent.futures import ThreadPoolExecutor, wait

from node.work import queue


def test_the_second_process_waits_while_the_first_makes_the_database(tmp_path):
    """
    Receiver and worker start together; SQLite answers "database is locked" at once to a second change of the
    journal mode, which ended the start of the node.
    """
    with ThreadPoolExecutor(1) as pool:
        with open(tmp_path / "queue.lock", "w", encoding="ascii") as first:
            fcntl.flock(first, fcntl.LOCK_EX)
            second = pool.submit(queue.prepare, tmp_path)
            assert not wait([second], timeout=2).done
        url = second.result(timeout=60)

    assert url == f"sqlite:///{tmp_path / 'queue.sqlite'}"
