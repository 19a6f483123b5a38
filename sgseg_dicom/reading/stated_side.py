"""Does the header say anything from which right and left follow?"""

from pydicom import Dataset

from sgseg_dicom.reading.header import text_of

_STATEMENTS = ("PatientOrientation", "ViewPosition", "ImageLaterality", "Laterality")


def side_is_stated(header: Dataset) -> bool:
    """
    Whether an orientation, a view or a laterality is stated.

    Who sets one of them up has thought of how the image is displayed. Where nothing is stated, as in a quarter of the
    films of some hospitals, the standard display is a mere guess, and the image itself must tell.
    """
    return bool(header.get("ViewCodeSequence")) or any(
        text_of(header, keyword).strip("\\ ") for keyword in _STATEMENTS
    )
