"""A finding -> the objects that destinations want of it, each form made once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from pydicom import Dataset

from sgseg_dicom.language.language import ENGLISH, Language
from sgseg_dicom.picture_style import PictureStyle
from sgseg_dicom.records import Algorithm, Finding, Radiograph
from sgseg_dicom.result_kinds import Kind, Wanted
from sgseg_dicom.results.measurement_report import encode_sr, referenced_form
from sgseg_dicom.results.presentation_state import encode_state
from sgseg_dicom.results.secondary_capture import encode_capture
from sgseg_dicom.results.seg import encode_seg, form_suffix
from sgseg_dicom.results.text_report import encode_text


def encode_results(
    radiograph: Radiograph,
    finding: Finding,
    wanted: Mapping[str, Wanted],
    *,
    algorithm: Algorithm,
    made_at: datetime,
    language: Language = ENGLISH,
    picture_style: PictureStyle = "outline",
) -> tuple[Mapping[str, Dataset], Mapping[str, tuple[str, ...]]]:
    """
    Make every form that is wanted, once.

    A report references the SEG that its destination gets, in that form; a report for a destination without SEG
    references none. Where no region was found there is no SEG, no presentation state, and no coded report for who
    also wants one in words (`Wanted.is_sr_made`); reports are then the same for all.

    Args:
        radiograph: the source image.
        finding: what the objects say.
        wanted: by the name of each destination, what it wants.
        algorithm: who made the finding.
        made_at: the site's local time; the same time gives the same bytes.
        language: of what readers see.
        picture_style: how pictures mark regions.

    Returns:
        The objects by their file-like names ("seg-fractional.dcm"), and by the name of each destination the names of
        what it gets, the SEG before what references it.
    """
    made = {"algorithm": algorithm, "made_at": made_at, "language": language}
    forms = _Forms(radiograph, finding, made, picture_style)
    names = {destination: tuple(forms.names(one)) for destination, one in wanted.items()}
    return forms.files, names


@dataclass(frozen=True, slots=True)
class _Forms:
    """What was made so far of one finding, with the keywords that all encoders share."""

    radiograph: Radiograph
    finding: Finding
    made: Mapping[str, Any]
    picture_style: PictureStyle
    files: dict[str, Dataset] = field(default_factory=dict)

    def names(self, wanted: Wanted) -> Iterator[str]:
        """Make what is missing of what is wanted; give the names, in the order of `Kind`."""
        about, seg = (self.radiograph, self.finding), None
        if Kind.SEG in wanted.results:
            form = wanted.segmentation_type(self.radiograph.stored_shape[1])
            name = f"seg{form_suffix(form)}.dcm".replace(" ", "-")
            seg = self._once(name, lambda: encode_seg(*about, segmentation_type=form, **self.made))
            if seg is not None:
                yield name
        suffix = referenced_form(self.finding, seg).replace(" ", "-").lower() + ".dcm"
        if wanted.is_sr_made(has_regions=bool(self.finding.regions)):
            name = ("sr" if wanted.sr_class == "comprehensive-3d" else "sr-comprehensive") + suffix
            self._once(name, lambda: encode_sr(*about, seg, sr_class=wanted.sr_class, **self.made))
            yield name
        if Kind.TEXT in wanted.results:
            name = "text" + suffix
            self._once(name, lambda: encode_text(*about, seg, **self.made))
            yield name
        for kind, encode in self._pictures().items():
            name = f"{kind}.dcm"
            if kind in wanted.results and self._once(name, partial(encode, *about, **self.made)) is not None:
                yield name

    def _pictures(self) -> Mapping[Kind, Callable[..., Dataset | None]]:
        """Give the forms that reference the image alone."""
        return {Kind.CAPTURE: partial(encode_capture, style=self.picture_style), Kind.STATE: encode_state}

    def _once(self, name: str, make: Callable[[], Dataset | None]) -> Dataset | None:
        if name not in self.files and (ds := make()) is not None:
            self.files[name] = ds
        return self.files.get(name)
