"""How an image ends that cannot be read: answered where it is known which, else quarantined."""

import pickle

from node.jobs import Ending
from node.work.outcomes import outcome_of
from sgseg_dicom.errors import InvalidDataset


def test_an_image_that_is_known_is_rejected_at_once() -> None:
    """No further attempt; the answer that is wanted can be made."""
    outcome = outcome_of(InvalidDataset("an element is malformed"))

    assert (outcome.ending, outcome.reason, outcome.again) == (Ending.REJECTED, "InvalidDataset", False)


def test_a_file_that_does_not_tell_which_image_it_is_is_quarantined() -> None:
    """No answer could be about it: a person must look, and `status --failed` shows it."""
    outcome = outcome_of(InvalidDataset("no UID", names_image=False))

    assert (outcome.ending, outcome.reason, outcome.again) == (Ending.QUARANTINED, "InvalidDataset", False)


def test_the_durable_queue_keeps_whether_an_image_is_known() -> None:
    """Errors are pickled there."""
    known, unknown = (
        pickle.loads(pickle.dumps(InvalidDataset("x", names_image=names))) for names in (True, False)
    )

    assert (known.names_image, unknown.names_image, str(unknown)) == (True, False, "x")
