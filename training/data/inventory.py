"""Data folders -> a manifest: the files of each image, what was dropped and why, and who is in two splits."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sgseg_dicom.release.manifest import digest_of_file
from training.data import (
    Captions,
    Item,
    digest_of,
    load_image,
    load_mask,
    read_children,
    read_normals,
    splits_of,
    survey_split,
)
from training.data.children import WHY
from training.data.items import bits_of
from training.data.splits import Survey
from training.progress import progress

_UNDIVIDED = "undivided"


def manifest_of(
    data: Path, normals: Path | None = None, *, captions: Captions = "original"
) -> dict[str, Any]:
    """
    Read every split of *data*, and of *normals*.

    Returns:
        `images`: split, name, paths relative to their folder, patient, caption and zones in PATIENT laterality,
        sha256 of image and mask;
        `children`: of each split, the normal radiographs that are left out since they show children;
        `dropped`, `other_caption`, `without_zones`: see `training.data.splits.Survey`;
        `train_digest`: of everything that a run learns from, as in run.json and on the model card if no pseudo-labels
        are used; None without a train split;
        `patients_crossing_splits` and `same_image`: patients and images that are in two splits, and should not be.

    Raises:
        DataError: a folder has no known layout, or a file cannot be read.
    """
    surveys = {split: survey_split(data, split, captions=captions) for split in splits_of(data)}
    rows = [
        _row(item, split, data, normal=False)
        for split, survey in surveys.items()
        for item in progress(survey.items, f"{split} of {data.name}")
    ]
    children = {}
    if normals is not None:
        places = _splits_of_normals(normals, known=surveys)
        children = {split: _names_of_children(normals, split) for split in places}
        rows += [
            _row(item, split, normals, normal=True)
            for split in places
            for item in progress(read_normals(normals, split, undivided=True), f"{split} of {normals.name}")
        ]
    return {
        "data": str(data),
        "train_digest": _train_digest(surveys, normals),
        "normals": None if normals is None else str(normals),
        "children": children,
        "layout": next(iter(surveys.values())).layout,
        "captions": captions,
        "dropped": [
            {"split": split, "name": name, "why": why}
            for split, survey in surveys.items()
            for name, why in survey.dropped.items()
        ],
        "other_caption": {split: survey.other_caption for split, survey in surveys.items()},
        "without_zones": {split: survey.without_zones for split, survey in surveys.items()},
        "patients_crossing_splits": _in_two_splits((row["patient"], row["split"]) for row in rows),
        "same_image": _in_two_splits((row["image_sha256"], f"{row['split']}/{row['name']}") for row in rows),
        "images": rows,
    }


def summary_of(manifest: dict[str, Any]) -> str:
    """Summarise a manifest: what one should know before training on the data."""
    counts = Counter((row["split"], row["normal"]) for row in manifest["images"])
    lines = [f"{manifest['layout']} layout, {manifest['captions']} captions"]
    if digest := manifest["train_digest"]:
        lines.append(f"train, all of it: data digest {digest[:16]}")
    lines += [
        f"{split}: {count} {'normal' if normal else 'infected'} images"
        for (split, normal), count in sorted(counts.items())
    ]
    lines += [
        f"{split}: left out {len(names)} normal images, each of {WHY}"
        for split, names in manifest["children"].items()
        if names
    ]
    lines += [f"dropped from {row['split']}: {row['name']}: {row['why']}" for row in manifest["dropped"]]
    for key, words in (
        ("other_caption", "images of {} whose other caption was used"),
        ("without_zones", "images of {} whose zones no caption names"),
    ):
        lines += [f"{len(names)} {words.format(split)}" for split, names in manifest[key].items() if names]
    for key, words in (
        ("patients_crossing_splits", "patient in two splits"),
        ("same_image", "the same image"),
    ):
        lines += [f"{words}: {name}: {', '.join(places)}" for name, places in manifest[key].items()]
    return "\n".join(lines)


def _names_of_children(normals: Path, split: str) -> list[str]:
    return [item.name for item in read_children(normals, split, undivided=True)]


def _splits_of_normals(normals: Path, *, known: Iterable[str]) -> list[str]:
    """Give the splits that *normals* has folders for; if it has none, one split of all images, for measuring only."""
    return sorted(name for name in {"train", "valid", "test", *known} if (normals / name).is_dir()) or [
        _UNDIVIDED
    ]


def _train_digest(surveys: Mapping[str, Survey], normals: Path | None) -> str | None:
    if "train" not in surveys:
        return None
    items = list(surveys["train"].items)
    if normals is not None and (normals / "train").is_dir():
        items += read_normals(normals, "train")
    return digest_of(items)


def _row(item: Item, split: str, folder: Path, *, normal: bool) -> dict[str, Any]:
    load_image(item), load_mask(item)  # what cannot be read fails now, and not hours into a run
    return {
        "split": split,
        "name": item.name,
        "image": item.image.relative_to(folder).as_posix(),
        "mask": None if item.mask is None else item.mask.relative_to(folder).as_posix(),
        "normal": normal,
        "patient": item.patient,
        "caption": item.caption,
        "zones": None if item.zones is None else bits_of(item.zones),
        "image_sha256": digest_of_file(item.image),
        "mask_sha256": None if item.mask is None else digest_of_file(item.mask),
    }


def _in_two_splits(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    places = defaultdict(set)
    for key, place in pairs:
        places[key].add(place)
    return {key: sorted(found) for key, found in places.items() if len(found) > 1}
