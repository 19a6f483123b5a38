"""
What the segmenter's own features say of the whole image: a lateral view, a child, or mirrored?

It is asked after the model has run, and beside the image check (`image_check`), which looks for other faults.
"""

from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.model_records import Look
from sgseg_dicom.refusal_reasons import RefusalReason


def require_adult_frontal_look(
    look: Look, *, checked_mirrored: float, adult_is_stated: bool, sides_are_stated: bool
) -> None:
    """
    Refuse what looks like a lateral view, a child or a mirrored image.

    A stated adult age outweighs the look of a child up to a limit of its own: some adults are small. A stated view
    outweighs nothing: lateral views are often filed as frontal ones. Where the header says nothing of the sides, the
    image must tell them surely.

    Args:
        look: of the image.
        checked_mirrored: log odds of "mirrored" of the image check.
        adult_is_stated: whether the header says that the patient is an adult.
        sides_are_stated: whether it states an orientation, a view or a laterality.

    Raises:
        NotApplicable: the reason is "lateral-view", "child", "mirrored" or "side-unknown".
    """
    scores, limits = look.scores, look.limits
    mirrored = scores.mirrored + limits.check_weight * checked_mirrored
    if scores.lateral >= limits.lateral:
        raise NotApplicable(
            "the image looks like a lateral view; only frontal images are judged. State the view at the modality",
            reason=RefusalReason.LATERAL_VIEW,
        )
    if scores.child >= (limits.child_of_stated_adult if adult_is_stated else limits.child):
        raise NotApplicable(
            "the image looks like that of a child, and only adults are judged; "
            + (
                "the stated age says otherwise: look at the image and the age"
                if adult_is_stated
                else "state the patient's age or birth date if it is an adult, and send again"
            ),
            reason=RefusalReason.CHILD,
        )
    if mirrored >= limits.mirrored:
        raise NotApplicable(
            "shown as Patient Orientation says, or as it is stored where that is absent, the image looks mirrored "
            "(or the patient has situs inversus: judge it by eye alone); correct the image or its Patient "
            "Orientation at the modality and send again",
            reason=RefusalReason.MIRRORED,
        )
    if not sides_are_stated and mirrored > -limits.sure_of_side:
        raise NotApplicable(
            "no orientation, view or laterality is stated, and the image does not tell surely which side is which; "
            "state Patient Orientation at the modality and send again, or judge it by eye alone",
            reason=RefusalReason.SIDE_UNKNOWN,
        )
