"""Several things at once, results in order."""

import threading

import pytest

from sgseg_dicom.in_order import in_order


def test_results_come_in_order_though_the_first_ends_last():
    """A barrier of three shows that three run at once."""
    barrier, last = threading.Barrier(3), threading.Event()

    def do(number):
        barrier.wait(30)
        if number == 0:
            last.wait(30)
        elif number == 2:
            last.set()
        return number * 10

    assert [(thing, future.result()) for thing, future in in_order(do, range(3), at_once=3)] == [
        (0, 0),
        (1, 10),
        (2, 20),
    ]


def test_an_error_is_its_own_things_alone():
    """It is raised where the result is asked for."""

    def do(number):
        if number == 1:
            raise KeyError(number)
        return number

    futures = [future for _, future in in_order(do, range(3), at_once=2)]

    assert [futures[0].result(), futures[2].result()] == [0, 2]
    with pytest.raises(KeyError):
        futures[1].result()


def test_who_stops_early_leaves_the_rest_undone():
    """Nobody waits for a folder of a thousand films after Ctrl-C."""
    done = []
    for _ in in_order(done.append, range(1000), at_once=2):
        break

    assert len(done) < 10
