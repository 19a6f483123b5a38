"""
Write docs/CONFORMANCE.md, the DICOM conformance statement (PS3.2), from the code: `python -m docs.conformance`.

A test fails where the file and the code differ.
"""

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Union, get_args, get_origin

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel
from pydicom.uid import UID

from docs.attributes import NOTHING, PLAIN, attribute_table, content_tree
from node.delivery import commitment
from node.delivery import dicomweb as web_delivery
from node.delivery import dimse as deliver
from node.delivery import stow_response as stow_report
from node.receive import scp
from node.tls.profile import CIPHERS
from sgseg_dicom import accepted_objects, own_results
from sgseg_dicom.applicability.header_rules import ADULT_YEARS, LEAST_SIDE
from sgseg_dicom.check.rules import Rule
from sgseg_dicom.config import Config
from sgseg_dicom.destinations import Destination, WebDestination
from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.refusal_reasons import RefusalReason
from sgseg_dicom.result_kinds import LABEL_MAP_SEGMENTATION_STORAGE, Kind, Wanted
from sgseg_dicom.results import codes
from sgseg_dicom.results.not_judged import CAUSES, encode_not_judged
from sgseg_dicom.senders import Sender
from tests.support.pixelmed_complaints import EXPLAINED
from tests.support.predictions import read_built

HERE = Path(__file__).parent
FILE = HERE / "CONFORMANCE.md"
_EVERYTHING = Wanted(results=tuple(Kind), segmentation="binary", sr_without_regions=True)
_OLDER = Wanted(results=(Kind.SR,), sr_class="comprehensive")
_FORMS = {  # name of the object, where it is described
    "Segmentation": ("seg.dcm", _EVERYTHING),
    "Comprehensive 3D SR": ("sr.dcm", _EVERYTHING),
    "Basic Text SR": ("text.dcm", _EVERYTHING),
    "Secondary Capture": ("secondary-capture.dcm", _EVERYTHING),
    "Grayscale Softcopy Presentation State": ("presentation-state.dcm", _EVERYTHING),
}


class Setting(NamedTuple):
    """One key of config.toml."""

    section: str
    key: str
    default: str
    rule: str


def document() -> str:
    """Give the whole statement."""
    environment = Environment(
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("conformance.md.j2").render(
        accepted=list(accepted_objects.SOP_CLASSES),
        syntaxes=list(accepted_objects.TRANSFER_SYNTAXES),
        answered=list(scp.StoreStatus),
        results=_result_classes(),
        label_map=LABEL_MAP_SEGMENTATION_STORAGE,
        stored=_statuses(0, deliver._DUPLICATE, *deliver._WARNINGS),
        busy=_statuses(*deliver._OUT_OF_RESOURCES),
        commitment=commitment,
        commitment_later=_statuses(*deliver._TRY_ACTION_AGAIN),
        commitment_never=_statuses(*commitment._FOR_GOOD),
        web=web_delivery,
        web_busy=_statuses(*stow_report.OUT_OF_RESOURCES),
        web_stored=_statuses(*stow_report.DUPLICATES),
        settings=list(_settings()),
        config=Config(),
        objects={name: attribute_table(*form) for name, form in _FORMS.items()},
        trees=_trees(),
        rules=[(rule.word, rule.demand, rule.source) for rule in Rule],
        codes=_own_codes(),
        reasons=sorted((reason.value, codes.Code(*reason.code)) for reason in RefusalReason),
        causes=sorted((cause.__name__, code) for cause, code in CAUSES.items()),
        complaints=EXPLAINED,
        manufacturer=own_results.MANUFACTURER,
        private_scheme=codes.PRIVATE_SCHEME,
        tls_ciphers=CIPHERS,
        adult_years=ADULT_YEARS,
        least_side=LEAST_SIDE,
    )


def _result_classes() -> list[tuple[UID, str, str]]:
    """Give the SOP classes of results with the words that ask for them."""
    named = [(ds, "results") for ds in PLAIN.results(_EVERYTHING).values()]
    named += [(ds, "sr_class") for ds in PLAIN.results(_OLDER).values()]
    words = {**dict(zip([UID(ds.SOPClassUID) for ds, _ in named], Kind, strict=False))}
    return [(UID(ds.SOPClassUID), words.get(UID(ds.SOPClassUID), "comprehensive"), key) for ds, key in named]


def _statuses(*values: int) -> str:
    """Write statuses, a run of them as "A700-A7FF"."""
    runs: list[list[int]] = []
    for value in sorted(values):
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ", ".join(f"{low:04X}" if low == high else f"{low:04X}-{high:04X}" for low, high in runs)


def _settings() -> Iterator[Setting]:
    for section, field in Config.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(f"[{section}]", field.annotation)
    yield from _keys("[[sender]]", Sender)
    yield from _keys("[[destination]] dimse", Destination)
    yield from _keys("[[destination]] dicomweb", WebDestination)


def _keys(section: str, model: type[BaseModel]) -> Iterator[Setting]:
    for key, field in model.model_fields.items():
        default = "required" if field.is_required() else _written(field.default)
        yield Setting(section, key, default, _rule(field))


def _rule(field: Any) -> str:
    """Say what a value must do; the constraints of an optional one lie one level deeper."""
    if field.description:
        return str(field.description)
    if get_origin(field.annotation) in (Union, types.UnionType):
        deeper = [meta for arg in get_args(field.annotation) for meta in getattr(arg, "__metadata__", ())]
        return next((str(meta.description) for meta in deeper if getattr(meta, "description", None)), "")
    return ""


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_written(one) for one in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "none"
    return str(value) if isinstance(value, int | float) else f'"{value}"'


def _trees() -> dict[str, list[str]]:
    """Give the content of each kind of report."""
    found, nothing = PLAIN.results(_EVERYTHING), NOTHING.results(_EVERYTHING)
    refusal = NotApplicable(
        "View Position says lateral; send frontal views", reason=RefusalReason.LATERAL_VIEW
    )
    radiograph = read_built(PLAIN.header())
    answer = encode_not_judged(radiograph.header, refusal, algorithm=PLAIN.algorithm, made_at=PLAIN.made_at)
    return {
        "Measurement report (TID 1500), two regions": content_tree(found["sr.dcm"]),
        "Measurement report (TID 1500), nothing found": content_tree(nothing["sr.dcm"]),
        "Basic Text SR (TID 2000), two regions": content_tree(found["text.dcm"]),
        "Basic Text SR (TID 2000), nothing found": content_tree(nothing["text.dcm"]),
        "Answer for an image that was not judged (Basic Text SR)": content_tree(answer),
    }


def _own_codes() -> list[tuple[str, Any]]:
    """Give the codes that results use, each with its name in the code."""
    return [(name, value) for name, value in vars(codes).items() if isinstance(value, codes.Code)]


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
