"""The process of a model without one. It imports little: it starts fast."""

from collections.abc import Sequence

import numpy as np

from sgseg_dicom.config import Config
from sgseg_dicom.errors import SgsegError
from sgseg_dicom.inference.runtime import Precision, Runtime
from sgseg_dicom.model_records import Algorithm, ModelInput, Prediction

NOTHING = Prediction(
    mask_probability=np.zeros((2, 2), dtype=np.float32),
    zone_probabilities=np.zeros(6, dtype=np.float32),
    mask=np.zeros((2, 2), dtype=bool),
    zones=(False,) * 6,
    threshold=0.5,
)


class Model:
    """A network; none of the stand-in's images is shown to it."""

    algorithm = Algorithm(name="stand-in", version="1", weights_digest="0" * 64)
    runtime = Runtime(name="stand-in", device="cpu", precision=Precision.FLOAT32, threads=1)
    max_batch = 1

    def judge_each(self, inputs: Sequence[ModelInput]) -> list[Prediction | SgsegError]:
        """Give each image the same answer."""
        return [NOTHING for _ in inputs]


def load_model(config: Config) -> Model:
    """Stand in for `node.app.load_model`."""
    return Model()
