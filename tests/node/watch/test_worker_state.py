"""What the worker knows of its destinations, other processes know too."""

from dataclasses import replace

from node.delivery.availability import Availability
from node.watch.counts import Figure, read_counts
from node.watch.worker_state import DestinationState, StateFile, WorkerState, read_worker_state
from sgseg_dicom.config import Destination
from sgseg_dicom.errors import DeliveryRefused, PeerUnavailable
from tests.node.processes import STAND_IN, half, receive_here, wait_for
from tests.support.ports import free_ports


def test_the_state_is_read_as_it_was_written(tmp_path):
    """
    Another process finds the same.
    """
    down = DestinationState(down_since=5.0, why_down="busy", failed_at=6.0, last_error="busy")
    state = WorkerState(model={"name": "SGSeg"}, destinations={"PACS": down, "cloud": DestinationState()})
    StateFile(tmp_path).write(state)

    assert read_worker_state(tmp_path) == state
    assert [one.is_up for one in state.destinations.values()] == [False, True]


def test_a_file_that_cannot_be_read_says_nothing(tmp_path):
    """
    Damaged, of a later version, or not there.
    """
    found = [read_worker_state(tmp_path)]
    for text in ("{", "[]", '{"model": {}, "destinations": {"PACS": {"new": 1}}}'):
        (tmp_path / "worker.json").write_text(text)
        found.append(read_worker_state(tmp_path))

    assert found == [WorkerState()] * 4


def test_it_is_down_since_its_first_failure():
    """
    Until it takes something; a refusal is an error and no failure of the destination.
    """
    availability, states = Availability(), []
    for error, at in [(PeerUnavailable("off"), 1.0), (PeerUnavailable("busy"), 2.0), (None, 3.0)]:
        availability.note("PACS", error, successes=0, ended_at=at)
        states.append(availability.states(["PACS"])["PACS"])
    availability.note("PACS", DeliveryRefused("no"), successes=1, ended_at=4.0)
    first = DestinationState(down_since=1.0, why_down="off", failed_at=1.0, last_error="off")

    assert states[0] == first
    assert states[1] == replace(first, why_down="busy", failed_at=2.0, last_error="busy")
    assert states[2] == replace(states[1], down_since=0.0, why_down="", taken_at=3.0)
    assert availability.states(["PACS"])["PACS"] == replace(states[2], failed_at=4.0, last_error="no")


def test_a_worker_tells_of_its_destinations_and_counts_its_work(configure, archive, tmp_path):
    """
    One takes everything, the other does not answer.
    """
    silent = Destination(name="silent", ae_title="NOBODY", host="127.0.0.1", port=free_ports(1)[0])
    config = configure(archive, destination=[archive.destination.model_dump(), silent.model_dump()])
    folder = config.store.folder
    receive_here(config)
    with half(STAND_IN, config, tmp_path):
        wait_for(
            lambda: not read_worker_state(folder).destinations["silent"].is_up, what="the one to be down"
        )
        wait_for(lambda: (Figure.DELIVERIES, ("archive", "delivered")) in read_counts(folder), what="counts")

    states, counts = read_worker_state(folder).destinations, read_counts(folder)
    assert states["archive"].taken_at > 0
    assert "127.0.0.1" in states["silent"].why_down
    assert counts[Figure.RESULTS, ("finding", "TESTER")] == 1
    assert counts[Figure.STAGE_SECONDS, ("infer",)] >= 0
    assert (Figure.DELIVERIES, ("silent", "failed")) not in counts
