"""Finding -> Presentation State: outlines and sentence as annotations on the radiograph itself. A fallback."""

from copy import deepcopy
from datetime import datetime
from fractions import Fraction

from highdicom import PresentationLUTTransformation
from highdicom.color import CIELabColor
from highdicom.pr import (
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GrayscaleSoftcopyPresentationState,
    TextObject,
)
from pydicom import Dataset
from pydicom.valuerep import DA, TM, DSfloat

from sgseg_dicom.language.language import ENGLISH, Language
from sgseg_dicom.records import (
    Algorithm,
    DisplaySettings,
    Finding,
    LookupTable,
    LungRegion,
    Radiograph,
    Window,
)
from sgseg_dicom.result_kinds import Kind
from sgseg_dicom.results.finish import finish
from sgseg_dicom.results.outline import outline_of, outlined_parts
from sgseg_dicom.results.overlay import LUNG_COLOURS
from sgseg_dicom.results.provenance import instance_keywords
from sgseg_dicom.results.series import content_label, series_keywords
from sgseg_dicom.results.source_header import source_of
from sgseg_dicom.results.uids import tracking_uid
from sgseg_dicom.zones import Laterality

_LAYERS = {Laterality.RIGHT: "RIGHT_LUNG", Laterality.LEFT: "LEFT_LUNG"}
_WORDS = "WORDS"
_WORDS_COLOUR = (255, 196, 61)
# Left, top, right and bottom of the texts, in parts of the displayed area.
_TOP, _SENTENCE, _BOTTOM = (0.02, 0.02, 0.98, 0.08), (0.02, 0.86, 0.98, 0.90), (0.02, 0.90, 0.98, 0.98)


def encode_state(
    radiograph: Radiograph,
    finding: Finding,
    *,
    algorithm: Algorithm,
    made_at: datetime,
    language: Language = ENGLISH,
) -> Dataset | None:
    """
    Write outlines, sentence and warning as a Grayscale Softcopy Presentation State (PS3.3 A.33.1).

    None where no region was found: there is nothing to outline.

    It shows the radiograph in its own grey: the first window or table that the image states. Where it states
    none, or one under which nothing would be visible, the whole range of values is shown.

    Args:
        radiograph: the source image.
        finding: what to draw; its regions are on the stored grid.
        algorithm: who made it.
        made_at: the site's local time; the same time gives the same bytes.
        language: of what is written.
    """
    if not finding.regions:
        return None
    form = f"PR{language.form}"
    layers = _layers(language)
    about = (algorithm, language)
    state = GrayscaleSoftcopyPresentationState(
        referenced_images=_images(radiograph),
        **instance_keywords(radiograph, algorithm, form),
        **series_keywords(radiograph, Kind.STATE, finding, language),
        content_label=content_label(Kind.STATE, finding),
        content_description=language.title(Kind.STATE),
        graphic_layers=list(layers.values()),
        graphic_annotations=[
            *(
                _outlines(radiograph, region, layers[_LAYERS[region.laterality]], *about)
                for region in finding.regions
            ),
            _texts(radiograph, finding, layers[_WORDS], *about),
        ],
        presentation_lut_transformation=PresentationLUTTransformation(
            presentation_lut_shape="INVERSE" if radiograph.display.inverted else "IDENTITY"
        ),
    )
    state.PresentationCreationDate, state.PresentationCreationTime = DA(made_at.date()), TM(made_at.time())
    state.BodyPartExamined = "CHEST"  # unpaired: Laterality (0020,0060) is then not required
    (area,) = state.DisplayedAreaSelectionSequence
    area.PresentationPixelAspectRatio = _aspect_of(radiograph)
    state.update(_grey_of(radiograph.display))
    state.update(_shutter_of(radiograph.display))
    return finish(state, radiograph=radiograph, algorithm=algorithm, made_at=made_at)


def _aspect_of(radiograph: Radiograph) -> list[int]:
    """Say how tall and how wide a pixel is shown (PS3.3 C.10.4): highdicom says 1 to 1 of any image."""
    return list(Fraction(radiograph.pixel_aspect).limit_denominator(1000).as_integer_ratio())


def _layers(language: Language) -> dict[str, GraphicLayer]:
    """Give one layer for each lung, in the colour of its SEG segment, and one for the words on top."""
    described = [(_LAYERS[side], language.region_name(side), LUNG_COLOURS[side]) for side in Laterality]
    described.append((_WORDS, language.draft, _WORDS_COLOUR))
    return {
        name: GraphicLayer(name, order, description=text, display_color=CIELabColor.from_rgb(*colour))
        for order, (name, text, colour) in enumerate(described, 1)
    }


def _outlines(
    radiograph: Radiograph, region: LungRegion, layer: GraphicLayer, algorithm: Algorithm, language: Language
) -> GraphicAnnotation:
    """Draw the outlines that the SR has, tracked together with it; pixel corners as in PS3.3 C.10.5.1.2."""
    side = region.laterality
    outlines = [
        GraphicObject(
            "POLYLINE",
            outline_of(part),
            units="PIXEL",
            tracking_id=language.region_name(side, number),
            tracking_uid=tracking_uid(radiograph, algorithm, side, number),
        )
        for number, part in enumerate(outlined_parts(region), 1)
    ]
    return GraphicAnnotation(_images(radiograph), graphic_layer=layer, graphic_objects=outlines)


def _texts(
    radiograph: Radiograph, finding: Finding, layer: GraphicLayer, algorithm: Algorithm, language: Language
) -> GraphicAnnotation:
    """
    Write the warning above the image's anatomy and the sentence below, in parts of the displayed area.

    The sentence is a text of its own: DICOMscope writes a text in one line, and cuts it at the image's edge.
    """
    below = [
        *language.caution(radiograph),
        *language.doubts(finding),
        language.limits,
        *language.assumptions(finding, radiograph),
    ]
    texts = [
        TextObject(text, units="DISPLAY", bounding_box=box, text_justification="LEFT")
        for text, box in (
            (language.warning(algorithm), _TOP),
            (language.sentence(finding.zones), _SENTENCE),
            (" ".join(below), _BOTTOM),
        )
    ]
    return GraphicAnnotation(_images(radiograph), graphic_layer=layer, text_objects=texts)


def _images(radiograph: Radiograph) -> list[Dataset]:
    source = source_of(radiograph)
    source.SamplesPerPixel = 1
    # highdicom reads the grey of the multi-frame classes from there; `_grey_of` puts it in.
    source.SharedFunctionalGroupsSequence = source.PerFrameFunctionalGroupsSequence = [Dataset()]
    return [source]


def _grey_of(display: DisplaySettings) -> Dataset:
    """
    Take over how the image becomes grey (PS3.3 C.11.1, C.11.8): without, a state shows another grey.

    By hand: highdicom leaves out a Modality LUT Sequence, and raises for an intercept without a slope.
    """
    grey = Dataset()
    if isinstance(display.modality, LookupTable):
        grey.ModalityLUTSequence = [deepcopy(display.modality.stated)]
    else:
        grey.RescaleSlope = _decimal(display.modality.slope)
        grey.RescaleIntercept = _decimal(display.modality.intercept)
        grey.RescaleType = "US"
    if display.voi is not None:
        grey.SoftcopyVOILUTSequence = [_voi_of(display.voi)]
    return grey


def _voi_of(voi: LookupTable | Window) -> Dataset:
    item = Dataset()
    if isinstance(voi, LookupTable):
        item.VOILUTSequence = [deepcopy(voi.stated)]
    else:
        item.WindowCenter, item.WindowWidth = _decimal(voi.centre), _decimal(voi.width)
        item.VOILUTFunction = voi.function
    return item


def _shutter_of(display: DisplaySettings) -> Dataset:
    """Take over the shutter (PS3.3 C.7.6.11), black (C.11.12): a state without one shows what the image's hides."""
    if display.shutter is None:
        return Dataset()
    shutter = deepcopy(display.shutter.stated)
    shutter.ShutterPresentationValue = 0
    return shutter


def _decimal(value: float) -> DSfloat:
    return DSfloat(value, auto_format=True)
