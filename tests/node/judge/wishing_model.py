"""The process of a model that does what the image says. It imports little: it starts fast."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sgseg_dicom.config import Config
from sgseg_dicom.errors import InferenceError, SgsegError, WeightsError
from sgseg_dicom.model_records import ModelInput, Prediction
from tests.node import stand_in_model

WISHES = ("", "the model hangs", "the model dies", "the model fails", "no number", "the model waits")
"""What an image does to the model below."""


class WishingModel(stand_in_model.Model):
    """A network that does what an image says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.max_batch = 4

    def judge_each(self, inputs: Sequence[ModelInput]) -> list[Prediction | SgsegError]:
        wishes = [WISHES[int(one.pixels[0, 0])] for one in inputs]
        with (self._folder / "batches").open("a") as file:
            file.write(f"{len(wishes)}\n")
        if "the model hangs" in wishes:
            time.sleep(3600)
        if "the model dies" in wishes:
            os._exit(9)
        if "the model fails" in wishes:
            raise InferenceError("the device failed")
        while "the model waits" in wishes and not (self._folder / "go").exists():
            time.sleep(0.01)
        return [
            InferenceError("not a number") if wish == "no number" else stand_in_model.NOTHING
            for wish in wishes
        ]


def load_wishing(config: Config) -> WishingModel:
    """Load it; not a second time where the file "gone" is there, and another one where "other" is."""
    if (config.store.folder / "gone").exists():
        raise WeightsError("the device is gone")
    model = WishingModel(config.store.folder)
    if (config.store.folder / "other").exists():
        model.algorithm = replace(model.algorithm, weights_digest="1" * 64)
    return model


def no_weights(*_: Any) -> None:
    """Stand in for a pipeline or a model that cannot be loaded."""
    raise WeightsError("weights and manifest do not belong together")
