"""What the whole node answers to a film: refused with a reason, or judged, with a finding or none."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sgseg_dicom.applicability.image_check import ImageCheck
from sgseg_dicom.applicability.sound_image import require_sound_image
from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.findings.lung_fields import lung_fields_of
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
    The stages of `sgseg_dicom.pipeline` from the model to the finding, for films that are no DICOM.

    Attributes:
        network: the model.
        image_check: the gate behind it.
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

    def _batch(self, radiographs: Sequence[Radiograph]) -> list[Answer]:
        inputs = [preprocess(radiograph) for radiograph in radiographs]
        predictions = self.network.judge(inputs)
        return [self._answer(*one) for one in zip(radiographs, inputs, predictions, strict=True)]

    def _answer(self, radiograph: Radiograph, model_input: ModelInput, prediction: Prediction) -> Answer:
        fields = lung_fields_of(prediction.lungs)
        try:
            require_sound_image(
                radiograph, model_input, prediction.look, fields, image_check=self.image_check
            )
        except NotApplicable as error:
            return Answer(refused=error.reason.value)
        return answer_of(measure(prediction, radiograph, fields))


def answer_of(finding: Finding) -> Answer:
    """Give what is reported of a film that was judged."""
    of_lungs = finding.share_of_both  # None where not both lungs were found
    of_image = sum((region.area_share for region in finding.regions), 0.0)
    return Answer(
        finding=finding.is_positive,
        zones=finding.zones,
        share=of_image if of_lungs is None else of_lungs,
        of_lungs=of_lungs is not None,
    )
