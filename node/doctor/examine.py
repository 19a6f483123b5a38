"""All that the doctor looks at, in order."""

from collections.abc import Iterator

from node.doctor.before_start import look_before_start
from node.doctor.finding import Finding, State, found
from node.doctor.model_run import judge_known_image
from node.doctor.surroundings import look_around
from sgseg_dicom.config import Config


def examine(config: Config, *, run_model: bool = True) -> Iterator[Finding]:
    """
    Look at everything that the node needs.

    Args:
        config: the settings.
        run_model: whether the model judges a drawn image, which takes some seconds.
    """
    model_can_load = True
    for finding in look_before_start(config):
        model_can_load &= finding.state is not State.WRONG or finding.subject not in ("weights", "device")
        yield finding
    yield from look_around(config)
    if run_model and model_can_load:
        yield found("the model", lambda: judge_known_image(config))
