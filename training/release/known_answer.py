"""Weights -> their answer to a drawn image, stored beside them."""

from pathlib import Path

from sgseg_dicom.errors import SgsegError
from sgseg_dicom.inference.network import load_network
from sgseg_dicom.inference.runtime import Precision
from sgseg_dicom.release.known_answer import KNOWN_ANSWER_FILE, answer_of, known_image


def write_known_answer(folder: Path) -> Path:
    """
    Let the weights in *folder* judge the drawn image by torch in float32, and write the answer beside them.

    Raises:
        WeightsError: the weights cannot be loaded.
        InferenceError: the answer is not a number.
    """
    network = load_network(folder, device="cpu", precision=Precision.FLOAT32)
    (judged,) = network.judge_each([known_image()])
    if isinstance(judged, SgsegError):
        raise judged
    path = folder / KNOWN_ANSWER_FILE
    path.write_text(answer_of(judged, weights=network.manifest.sha256).model_dump_json(indent=1) + "\n")
    return path
