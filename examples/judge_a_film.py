"""
Judge a chest radiograph in Python: `python examples/judge_a_film.py FILM [PICTURE]`.

FILM is a DICOM, PNG or JPEG file. What is said of it is an unverified draft, not for diagnosis alone.
"""

import sys

from sgseg_dicom import load
from sgseg_dicom.errors import NotApplicable


def main(film: str, picture: str = "overlay.png") -> None:
    """Print what is found, and save a picture of it."""
    model = load()
    try:
        answer = model(film)
    except NotApplicable as refusal:
        sys.exit(f"Not judged, which does not mean normal: {refusal}")
    for line in (*answer.cautions, answer.sentence):
        print(line)
    for side, share in answer.shares.items():  # the patient's sides
        print(f"{side} lung: {100 * share:.1f} % marked")
    print(
        f"{(answer.mask == 1).sum()} pixels in the patient's right lung, {(answer.mask == 2).sum()} in the left"
    )
    answer.picture().save(picture)
    print(f"{answer.warning} The picture is in {picture}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
