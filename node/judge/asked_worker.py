"""What a judging process asks the worker for: room for a large image, what the model says, and earlier films."""

from functools import cached_property
from multiprocessing.connection import Connection
from typing import Any

from node.judge.messages import Answer, AskAlgorithm, AskEarlier, AskModel, NeedRoom, Request
from sgseg_dicom.comparison.films import EarlierFilm, Film
from sgseg_dicom.errors import UnsupportedObject
from sgseg_dicom.model_records import Algorithm, ModelInput, Prediction


class AskedWorker:
    """
    Asks over *connection*; for one thread. It is a `sgseg_dicom.pipeline.Segmenter`.

    Args:
        connection: to the worker.
        max_megapixels: the largest image that is decoded.
    """

    def __init__(self, connection: "Connection[Any, Any]", *, max_megapixels: int) -> None:
        self._connection = connection
        self._max_megapixels = max_megapixels

    @cached_property
    def algorithm(self) -> Algorithm:
        """Who judges; asked for at the first use, since the model loads beside this process."""
        algorithm: Algorithm = self._answer(AskAlgorithm())
        return algorithm

    def __call__(self, model_input: ModelInput) -> Prediction:
        """
        Judge one image.

        Raises:
            InferenceError: the device failed, or the answer is not a number.
            ProcessEnded: the process of the model ended at this image.
        """
        prediction: Prediction = self._answer(AskModel(model_input))
        return prediction

    def earlier(self, film: Film) -> tuple[EarlierFilm, ...]:
        """
        Give the films of the same patient that were judged before, the oldest first: the worker decides which count.

        Raises:
            StorageUnavailable: the worker cannot read them now. The image is tried again.
        """
        found: tuple[EarlierFilm, ...] = self._answer(AskEarlier(film))
        return found

    def require_room(self, pixels: int) -> None:
        """
        Wait until an image of so many pixels may be decoded.

        Raises:
            UnsupportedObject: larger than [queue] max_megapixels.
        """
        megapixels = -(-pixels // 1_000_000)
        if megapixels > self._max_megapixels:
            raise UnsupportedObject(
                f"the image has {megapixels} million pixels, and at most {self._max_megapixels} are judged: no "
                "radiograph of one chest is so large; if this one is, raise [queue] max_megapixels"
            )
        self._answer(NeedRoom(megapixels))

    def _answer(self, request: Request) -> Any:
        self._connection.send(request)
        answer: Answer[Any] = self._connection.recv()
        if answer.error is not None:
            raise answer.error
        return answer.value
