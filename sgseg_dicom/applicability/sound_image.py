"""All that the pixels are asked before a prediction is believed; node and training share it."""

from sgseg_dicom.applicability.header_rules import states_adult
from sgseg_dicom.applicability.image_check import ImageCheck, require_upright_chest
from sgseg_dicom.applicability.image_look import require_adult_frontal_look
from sgseg_dicom.applicability.whole_lungs import require_whole_lungs
from sgseg_dicom.findings.lung_fields import LungFields
from sgseg_dicom.model_records import Look, ModelInput
from sgseg_dicom.records import Radiograph


def require_sound_image(
    radiograph: Radiograph,
    model_input: ModelInput,
    look: Look | None,
    fields: LungFields,
    *,
    image_check: ImageCheck,
) -> None:
    """
    Refuse an image that is no upright, whole, frontal chest radiograph of an adult, the right way round.

    The heads, where the weights have them, tell the sides better than the image check alone.

    Args:
        radiograph: its header is asked.
        model_input: its pixels are asked.
        look: as `Prediction.look`.
        fields: the lungs that the model found.
        image_check: asks the pixels.

    Raises:
        NotApplicable: as `require_upright_chest`, `require_adult_frontal_look` and `require_whole_lungs`.
    """
    stated = radiograph.display.sides_are_stated
    mirrored = require_upright_chest(
        model_input,
        image_check=image_check,
        sides_are_stated=stated or look is not None,
        lungs_are_seen=len(fields) == 2,
    )
    if look is not None:
        require_adult_frontal_look(
            look,
            checked_mirrored=mirrored,
            adult_is_stated=states_adult(radiograph.header),
            sides_are_stated=stated,
        )
    require_whole_lungs(fields, model_input.padding)
