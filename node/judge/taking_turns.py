"""Processes that share a device use it one after the other."""

from node.judge.shares import Shares
from sgseg_dicom.model_records import ModelInput, Prediction
from sgseg_dicom.pipeline import Segmenter


class TakingTurns:
    """A segmenter that waits for its turn before each image."""

    def __init__(self, segmenter: Segmenter, shares: Shares) -> None:
        self.algorithm = segmenter.algorithm
        self._segmenter = segmenter
        self._shares = shares

    def __call__(self, model_input: ModelInput) -> Prediction:
        """Judge one image."""
        with self._shares.inference():
            return self._segmenter(model_input)
