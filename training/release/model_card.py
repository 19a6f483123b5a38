"""MODEL_CARD.md: what a reader must know before using the weights."""

from pathlib import Path
from typing import Any

from sgseg_dicom.release.heads_manifest import (
    HEADS_MANIFEST_FILE,
    HeadsManifest,
    joint_identity,
    read_heads_manifest,
)
from sgseg_dicom.release.image_check_manifest import packaged_image_check, read_image_check_manifest
from sgseg_dicom.release.manifest import Manifest, read_manifest
from training.data.credits import RESEARCH_ONLY, SHIPPED_SOURCES, credits_table
from training.evaluation.people import people_table
from training.evaluation.source_tables import tables_of
from training.heads.tables import findings_table, looks_table, lungs_table
from training.provenance import learned_runs, root_of, runs_of

CARD_FILE = "MODEL_CARD.md"
OTHER_SOURCES = "other_sources"
"""Key of a manifest's metrics: figures on films of other hospitals (`training.evaluation.other_sources`)."""

_WITH_CHILDREN = frozenset({"9f427f0b16ab9805", "825dd055926f2231"})
"""Digests of QaTa-COV19 train with 700 normals of the COVID-19 Radiography Database; the second with pseudo-labels."""

_KNOWN_DATA = _WITH_CHILDREN | {"fa31143c450e246d", "840323497b930ab8"}
"""These, and the same without the 37 children (`training.data.children`), with and without pseudo-labels."""


def card_of(weights: Path) -> str:
    """
    Write the card of the weights in a folder, with their heads, where there are any.

    Raises:
        WeightsError: a manifest is missing or damaged.
    """
    heads = read_heads_manifest(weights) if (weights / HEADS_MANIFEST_FILE).exists() else None
    return model_card(read_manifest(weights), heads)


def model_card(manifest: Manifest, heads: HeadsManifest | None = None) -> str:
    """
    Write what a reader must know before using the weights, and the heads that lie beside them.

    About data that are not those of this project the card gives only the numbers of images and their digest.
    """
    figures = manifest.metrics
    normals = figures.get("normals", {})

    def figure(name: str) -> str:
        low, high = figures[f"{name}_ci"]
        return f"{figures[name]:.3f} ({low:.3f} to {high:.3f})"

    data = _data_of(manifest)
    known = all(_is_known(part) for part in data)
    of_normals = "not measured: no normal radiographs were given"
    if normals:
        low, high = normals["any_finding_rate_ci"]
        of_normals = (
            f"{normals['any_finding_rate']:.3f} ({low:.3f} to {high:.3f}); of a source that was learned from, and the same "
            "images helped to choose the score: expect many times more elsewhere"
        )
    return f"""# {manifest.name} {manifest.version}

Weights `{manifest.sha256}`, identity `{_identity(manifest, heads)[:16]}` (Device Serial Number of every result), preset `{manifest.preset}`, {manifest.guidance} guidance by its own location report; {_way_of(manifest)}.

**A research model. Drafts for a radiologist; not a medical device, not for diagnosis alone, not to rule out.**

| | |
|---|---|
| made for | frontal (PA, AP) chest radiographs of adults |
| trained on | {_described(data)}; {_history_of(manifest)} |
| chosen and calibrated on | {"QaTa-COV19 valid" if known else "the split valid"} ({figures["images"]} images) and {normals.get("images", 0)} normal valid radiographs |
| micro Dice, valid, text-free | {figure("dice_micro")} |
| Dice per image | {figure("dice_mean")} |
| zone accuracy, against {_captions_of(figures)} | {figure("zone_accuracy")} |
| infected images with a finding | {figure("sensitivity")}; the threshold was set to keep 0.99 of these images |
| normal images with a finding | {of_normals} |
| licence | Apache-2.0, as the code. The terms of the data{" (QaTa-COV19, COVID-19 Radiography Database)" if known else ""} for a use beyond research are not clarified here: ask their owners |
| began from | {_origin_of(manifest)} |

Intervals are 95 %, by a bootstrap over patients{_computed_in(figures)}. The valid split also chose the thresholds: expect less elsewhere.

{_people(figures) if known else ""}{_by_source(figures)}{_of_heads(heads)}
## Limits

{_limits(data, figures, heads, known=known)}

Figures on valid are of the network alone: the node also looks at each image and refuses what is no upright frontal chest.
The packaged image check {_image_check()} (training/LOG.md).
{_credits(manifest) if known else ""}"""


def _identity(manifest: Manifest, heads: HeadsManifest | None) -> str:
    """Give the identity that results carry: with heads it is that of both."""
    return manifest.identity if heads is None else joint_identity(manifest, heads)


def _people(figures: dict[str, Any]) -> str:
    """Write how well people agree on the data of this project; of other data nobody knows it."""
    return f"""## People and model

{people_table(figures)}
"""


def _by_source(figures: dict[str, Any]) -> str:
    """Write the figures on films of other hospitals, where there are any."""
    if OTHER_SOURCES not in figures:
        return ""
    measured = figures[OTHER_SOURCES]
    return f"""
## By source, sex, age and view

The whole node on {measured["films"]} films of other hospitals: image check, model and rules of findings. A refused film has no
finding. Intervals are Wilson's, 95 %; films of one patient count as independent. Sides are {measured["sides"]}.

{tables_of(measured)}
"""


def _of_heads(heads: HeadsManifest | None) -> str:
    """Write the figures of the heads, where there are any."""
    if heads is None:
        return ""
    return f"""
## Films of other hospitals: the heads

Heads `{heads.sha256[:16]}` read the features of these weights. Every figure is of films that were not learned from: of another
fifth of the patients, or of a source that was left out whole. Intervals are Wilson's, 95 %.

{findings_table(heads.metrics)}

The figures above are of zones and mask alone. A finding is where the zones say so and the image-level head too; 0.99 of QaTa-COV19's infected films keep theirs.

{looks_table(heads.metrics)}

{lungs_table(heads.metrics)}
"""


def _limits(
    data: list[dict[str, Any]], figures: dict[str, Any], heads: HeadsManifest | None, *, known: bool
) -> str:
    """Say in plain words what the weights cannot do."""
    limits = list(_KNOWN_LIMITS if known else _UNKNOWN_LIMITS)
    if any(part["digest"][:16] in _WITH_CHILDREN for part in data):
        limits.append(
            "37 of the 700 normal images that they learned from show children of one to five, and 12 of the 200 valid ones."
        )
    if known and heads is None:
        limits.append("Children, laterals and mirrored images whose header says nothing may be judged.")
    if known and heads is None and OTHER_SOURCES not in figures:
        limits.append(
            "Films of other hospitals: this card has no figures of them. Expect far more marked normals."
        )
    if known and heads is not None:
        limits += _WITH_HEADS
    return "\n".join(f"- {limit}" for limit in limits)


def _credits(manifest: Manifest) -> str:
    """List the data, their owners and licences."""
    learned = manifest.training.get("sources", SHIPPED_SOURCES)
    return f"""
## Data and licences

{credits_table(learned)}

{RESEARCH_ONLY}
"""


def _image_check() -> str:
    """Say how many good images the packaged image check refuses, and how many mirrored ones it lets pass."""
    measured = read_image_check_manifest(packaged_image_check()).metrics
    good, mirrored = measured["good"], measured["bad"]["mirrored"]
    refused = 100 * (good["images"] - good["let_through"]) / good["images"]
    passed = 100 * mirrored["let_through"] / mirrored["images"]
    return f"refuses {refused:.1f} % of good images, and lets {passed:.1f} % of mirrored ones pass"


_KNOWN_LIMITS = (
    "It finds opacity, not its cause: every infected image that it learned from is COVID-19 or suspected COVID-19.",
    "It misses. No finding does not rule out an infection, and nothing else was looked for.",
    "Normal and infected images came from different sources: a model can learn the source instead of the disease.",
    "It is for adults, and for frontal views.",
)
_WITH_HEADS = (
    "A hospital whose films were not learned from: every fourth to third normal film gets a finding.",
    "About one in thirty children, and one in thirty mirrored images, is judged; mirrored ones on the wrong side.",
    "Children and laterals were known of one source each: how others fare was not measured.",
    "Pneumonia of NIH, whose labels are text-mined, is found less often with the heads than by the zones alone.",
)
_UNKNOWN_LIMITS = (
    "this card does not know what these images show and where they come from: whoever trained on them must say.",
    "What the weights were not trained on (other diseases, views, ages, hospitals) they were not tried on.",
)


def _computed_in(figures: dict[str, Any]) -> str:
    """Say in which precision the figures were computed; manifests older than 0.3.0 do not say."""
    return f"; computed in {figures['precision']}" if "precision" in figures else ""


def _captions_of(figures: dict[str, Any]) -> str:
    """Name the kind of captions; for manifests older than 0.3.0 all were the original ones."""
    captions, other = figures.get("captions", "original"), figures.get("other_caption", 0)
    return f"the {captions} captions" + (f" ({other} images: the other ones)" if other else "")


def _data_of(manifest: Manifest) -> list[dict[str, Any]]:
    """Give the data that each member learned from, and the weights that it began with; each set of images once."""
    runs = [run for history in _histories_of(manifest) for run in learned_runs(history)]
    parts = [run.get("train", manifest.training["train"]) for run in runs]
    return list({part["digest"]: part for part in parts}.values())


def _is_known(data: dict[str, Any]) -> bool:
    return data["digest"][:16] in _KNOWN_DATA


def _described(data: list[dict[str, Any]]) -> str:
    """Say how many images there were. The same images with other labels have another digest."""
    digests: dict[str, list[str]] = {}
    for part in data:
        infected, normal = f"{part['infected']} infected radiographs", f"{part['normal']} normal ones"
        if _is_known(part):
            infected += " of QaTa-COV19 (train)"
            normal += " of the COVID-19 Radiography Database (train)"
        digests.setdefault(f"{infected} and {normal}", []).append(f"`{part['digest'][:16]}`")
    return "; ".join(f"{images}; data digest {' and '.join(named)}" for images, named in digests.items())


def _way_of(manifest: Manifest) -> str:
    """Describe the passes (`sgseg_dicom.inference.ensemble`)."""
    sizes = " and ".join(map(str, manifest.test_time_sizes))
    if manifest.members > 1:
        images = "in turn the image and its mirror image" if manifest.test_time_flip else "the image"
        return f"the mean of {manifest.members} models, each of which sees {images}, at {sizes} pixels"
    images = "the image and its mirror image, averaged," if manifest.test_time_flip else "the image"
    return f"it sees {images} at {sizes} pixels"


def _origin_of(manifest: Manifest) -> str:
    """Say which pretrained weights it began with."""
    recipe = root_of(manifest.training)["recipe"]
    image, text = recipe.get("image_weights"), recipe.get("text_encoder")
    return f"image encoder: {image or 'random'} (ImageNet where it is a name); words of the reports: {text or 'random'}"


def _history_of(manifest: Manifest) -> str:
    """Say in how many runs it was trained, and whether it had teachers."""
    histories = _histories_of(manifest)
    averaged = [len(runs_of(history)) for history in histories if "averaged" in history]
    if len(histories) > 1:
        text = f"{len(histories)} models in several runs; the manifest has them all"
    elif averaged or histories[0].get("started_from"):
        text = "in several runs; the manifest has them all"
    else:
        text = "in one run"
    if averaged:
        text += f"; the weights of {' and '.join(map(str, averaged))} of the runs are averaged"
    runs = [run for history in histories for run in runs_of(history)]
    teachers = [len(taught["teachers"]) for run in runs if (taught := run.get("opinions"))]
    if teachers:
        text += f"; also from the predictions of {' and '.join(map(str, teachers))} models (teachers)"
    return text


def _histories_of(manifest: Manifest) -> list[dict[str, Any]]:
    histories: list[dict[str, Any]] = manifest.training.get("members", [manifest.training])
    return histories
