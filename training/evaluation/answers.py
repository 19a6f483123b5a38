"""What the whole node answers to a film: refused with a reason, or judged, with a finding or none."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sgseg_dicom.applicability.image_check import ImageCheck, require_upright_chest
from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.findings.measure import measure
from sgseg_dicom.inference.network import Network
from sgseg_dicom.model_records import ModelInput, Prediction
from sgseg_dicom.preprocess import preprocess
from sgseg_dicom.records import Finding, Radiograph
from sgseg_dicom.zones import ZoneBits
from training.data import Item
from training.evaluation.film_as_radiograph import radiograph_of

_BATCH = 8
_FREE: ZoneBits = (False,) * 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """
    The node's answer.

    Attributes:
        refused: the reason, a value of `sgseg_dicom.refusal_reasons.RefusalReason`; "": it was judged.
        finding: whether a region or a zone is reported; False where it was refused.
        zones: the zones that are reported, in the order of `sgseg_dicom.zones.ZONES` (patient).
        share: marked share, 0 to 1, of both lungs; of the image where the weights have no lung model; 0 if refused.
        of_lungs: whether *share* is that of the lungs.
    """

    refused: str = ""
    finding: bool = False
    zones: ZoneBits = _FREE
    share: float = 0.0
    of_lungs: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class WholeWay:
    """
    The stages of `sgseg_dicom.pipeline` from the image check to the finding, for films that are no DICOM.

    Attributes:
        network: the model.
        image_check: the gate before it.
    """

    network: Network
    image_check: ImageCheck

    def answers(self, items: Sequence[Item]) -> Iterator[list[Answer]]:
        """
        Answer *items*, eight at a time.

        Raises:
            DataError: a file cannot be read.
            InferenceError: the device failed.
        """
        for start in range(0, len(items), _BATCH):
            yield self._batch([radiograph_of(item) for item in items[start : start + _BATCH]])

    def refusal_of(self, item: Item) -> str:
        """Give the reason for which the image check refuses a film; "": it passes."""
        return self._look(preprocess(radiograph_of(item)))

    def _batch(self, radiographs: Sequence[Radiograph]) -> list[Answer]:
        inputs = [preprocess(radiograph) for radiograph in radiographs]
        refused = [self._look(model_input) for model_input in inputs]
        passed = [place for place, reason in enumerate(refused) if not reason]
        judged = dict(zip(passed, self._judge([inputs[place] for place in passed]), strict=True))
        return [
            _answer_to(judged[place], radiographs[place]) if place in judged else Answer(refused=reason)
            for place, reason in enumerate(refused)
        ]

    def _look(self, model_input: ModelInput) -> str:
        try:
            require_upright_chest(model_input, image_check=self.image_check, sides_are_stated=True)
        except NotApplicable as error:
            return error.reason.value
        return ""

    def _judge(self, inputs: Sequence[ModelInput]) -> list[Prediction | str]:
        """Judge a batch; a network that refuses one of it is asked for each alone."""
        if not inputs:
            return []
        try:
            return list(self.network.judge(inputs))
        except NotApplicable as error:
            if len(inputs) == 1:
                return [error.reason.value]
            return [one for alone in inputs for one in self._judge([alone])]


def _answer_to(judged: Prediction | str, radiograph: Radiograph) -> Answer:
    if isinstance(judged, str):
        return Answer(refused=judged)
    try:
        return answer_of(measure(judged, radiograph))
    except NotApplicable as error:
        return Answer(refused=error.reason.value)


def answer_of(finding: Finding) -> Answer:
    """Give what is reported of a film that was judged."""
    of_lungs: float | None = getattr(finding, "share_of_both", None)  # weights without a lung model have none
    of_image = sum((region.area_share for region in finding.regions), 0.0)
    return Answer(
        finding=finding.is_positive,
        zones=finding.zones,
        share=of_image if of_lungs is None else float(of_lungs),
        of_lungs=of_lungs is not None,
    )
