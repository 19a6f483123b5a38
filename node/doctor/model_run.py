"""Whether the model computes on this machine what it computed where it was released."""

from node.app import load_model
from sgseg_dicom.config import Config
from sgseg_dicom.errors import InferenceError, SgsegError
from sgseg_dicom.release.known_answer import known_image, read_known_answer, why_different
from sgseg_dicom.release.manifest import folder_of, packaged_weights, read_manifest


def judge_known_image(config: Config) -> str:
    """
    Run the model once, and compare its answer with the stored one.

    Raises:
        InferenceError: they differ, or the device failed.
        WeightsError, ConfigError: the model cannot be loaded.
    """
    folder = folder_of(config.weights_folder or packaged_weights())
    known = read_known_answer(folder, weights=read_manifest(folder).sha256)
    network = load_model(config)
    (judged,) = network.judge_each([known_image()])
    if isinstance(judged, SgsegError):
        raise judged
    if known is None:
        return f"{network.runtime}: it gives an answer; no stored one is there to compare with"
    if why := why_different(judged, known):
        raise InferenceError(
            f"{network.runtime}: {why}: do not use this machine for patients; see the driver and the processor, or "
            'set [model] device = "cpu" and precision = "float32"'
        )
    return f"{network.runtime}: its answer is the stored one"
