"""`sgseg-train view` and `view-check`: train the image check, and measure it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from training.cli_options import Data, Normals, one_line_errors

if TYPE_CHECKING:
    from sgseg_dicom.model.image_check import ImageCheckNet
    from training.data import Item
    from training.image_check.measure import Halves

app = typer.Typer()

MEASURED, SEED = 500, 7


@app.command("view")
def view_command(
    data: Data,
    normals: Normals,
    pictures: Annotated[
        list[Path], typer.Option(help="Folders of PNG, JPEG or DICOM files without a chest.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for weights and manifest.")],
    epochs: Annotated[float, typer.Option(help="How often every radiograph is used.")] = 11.0,
    radiographs: Annotated[int | None, typer.Option(help="Train on only so many, for a quick trial.")] = None,
) -> None:
    """Train the image check on train, choose its limits on valid, and measure it on other patients of valid."""
    from training.data import load_image, read_normals, read_split
    from training.image_check.fit import Schedule, fit_image_check
    from training.image_check.pictures import load_pictures

    with one_line_errors():
        train = read_split(data, "train") + read_normals(normals, "train")
        order = np.random.default_rng(SEED).permutation(len(train))[:radiographs]
        train = [train[place] for place in order]
        other, halves = load_pictures(pictures), _halves(data, normals)
        network = fit_image_check(
            np.stack([load_image(item) for item in train]), other, Schedule(epochs=epochs)
        )
        _show(release(network, train, other, halves, epochs=epochs, out=out))


def release(
    network: "ImageCheckNet",
    train: Sequence["Item"],
    pictures: NDArray[np.uint8],
    halves: "Halves",
    *,
    epochs: float,
    out: Path,
) -> dict[str, Any]:
    """Choose the limits, measure, and write weights and manifest to *out*; give the figures."""
    from sgseg_dicom.model.image_check import LoadedImageCheck, save_image_check
    from training.data import digest_of, load_image
    from training.image_check.measure import NO_LIMITS, choose_limits, measure, signs_of_images
    from training.image_check.pictures import digest_of_pictures
    from training.provenance import commit_of_checkout

    for_limits = [load_image(item) for item in halves.limits]
    unlimited = LoadedImageCheck(network, NO_LIMITS)
    image_check = LoadedImageCheck(network, choose_limits(signs_of_images(for_limits, unlimited, "limits")))
    figures = measure(image_check, [load_image(item) for item in halves.measured], {})
    facts: dict[str, Any] = {
        "command": "sgseg-train view",
        "commit": commit_of_checkout(),
        "radiographs": {"images": len(train), "digest": digest_of(train)},
        "pictures": {"images": len(pictures), "digest": digest_of_pictures(pictures)},
        "epochs": epochs,
        "seed": SEED,
        "limits_from": {"images": len(for_limits), "digest": digest_of(halves.limits)},
    }
    save_image_check(image_check, out, training=facts, metrics=figures)
    return figures


@app.command("view-check")
def view_check_command(
    data: Data,
    normals: Normals,
    pictures: Annotated[
        list[Path] | None,
        typer.Option(help="Folders of pictures without a chest; each folder is a kind of its own."),
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Folder of weights; none: those that ship.")] = None,
) -> None:
    """Measure the image check: how many good images it refuses, and how many bad ones it lets through."""
    from sgseg_dicom.model.image_check import load_image_check
    from training.data import load_image, read_split
    from training.image_check.measure import LATERAL, measure, signs_of_images
    from training.image_check.pictures import load_pictures

    with one_line_errors():
        image_check = load_image_check(weights)
        good = [load_image(item) for item in _halves(data, normals).measured]
        others = {folder.name: list(load_pictures([folder])) for folder in pictures or ()}
        others["the lateral of valid"] = [
            load_image(item) for item in read_split(data, "valid") if item.name.startswith(LATERAL)
        ]
        _show(measure(image_check, good, others))
        typer.echo(
            f"lateral: {signs_of_images(others['the lateral of valid'], image_check, 'lateral')}", err=True
        )


def _halves(data: Path, normals: Path) -> "Halves":
    from training.data import read_normals, read_split
    from training.image_check.measure import halve

    items = read_split(data, "valid") + read_normals(normals, "valid")
    return halve(items, measured=MEASURED, seed=SEED)


def _show(figures: dict[str, Any]) -> None:
    from training.image_check.measure import table

    typer.echo(table(figures))
    typer.echo(json.dumps(figures["good"]), err=True)
