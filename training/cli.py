"""`sgseg-train`: from folders of data to weights. Most commands are in the `cli.py` of the folder of their code."""

from pathlib import Path
from typing import Annotated, Any

import typer

from training.cli_options import Data, Normals, Settings, Zones, one_line_errors, require_writable, write_json
from training.cli_start import app as start_app
from training.data import Captions, read_children, read_normals
from training.data.train_and_valid import read_train_and_valid
from training.evaluation.cli import app as evaluation_app
from training.heads.cli import app as heads_app
from training.image_check.cli import app as image_check_app
from training.loop.cli import app as loop_app
from training.paper.cli import app as paper_app
from training.quiet import set_up_messages
from training.recipe import load_recipe
from training.release.cli import app as release_app

app = typer.Typer(
    help="Reproduce SGSeg: from QaTa-COV19 to the weights that the node loads.", no_args_is_help=True
)

app.add_typer(start_app)  # `pseudo-label`, `teach`, `sam2` and `begin`
app.add_typer(evaluation_app)  # `evaluate`, `guidance-gain` and `robustness`
app.add_typer(loop_app)  # `curves`
app.add_typer(paper_app)  # `ablate` and `figures`
app.add_typer(release_app)  # `average` and `export`
app.add_typer(heads_app)  # `heads` and `draw-lungs`
app.add_typer(image_check_app)  # `view` and `view-check`


@app.callback()
def sgseg_train() -> None:
    """Reproduce SGSeg: from QaTa-COV19 to the weights that the node loads."""
    set_up_messages()


@app.command("prepare")
def prepare_command(
    data: Data,
    out: Annotated[Path, typer.Option(help="Manifest to write (JSON).")],
    normals: Normals | None = None,
    captions: Annotated[Captions, typer.Option(help="Captions that the zones come from.")] = "original",
) -> None:
    """List what the data hold of each image, with digests; say what is dropped, and why."""
    from training.data.inventory import manifest_of, summary_of

    with one_line_errors():
        require_writable(out)
        manifest = manifest_of(data, normals, captions=captions)
        typer.echo(summary_of(manifest))
        write_json(out, manifest)


@app.command("fit")
def fit_command(
    data: Data,
    out: Annotated[
        Path, typer.Option(help="Folder of checkpoints and logs; a run that is there is resumed.")
    ],
    recipe: Annotated[
        str, typer.Option(help="Name of a packaged recipe, or a TOML file (table in training/README.md).")
    ] = "compact",
    normals: Normals | None = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Stop early after so many epochs, to resume later.")
    ] = None,
    start_from: Annotated[Path | None, typer.Option(help="Folder of exported weights to begin with.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Zone labels of `pseudo-label`; without: those of the grammar.")
    ] = None,
    opinions: Annotated[
        Path | None, typer.Option(help="File of `teach`, for a recipe that learns from teacher predictions.")
    ] = None,
    devices: Annotated[int, typer.Option(min=1, help="GPUs, or CPU processes, that share a batch.")] = 1,
    leave_out: Annotated[
        str | None,
        typer.Option(
            help='Part of train that the run does not learn, for `teach --unseen`; "0/4": the first of four.'
        ),
    ] = None,
    image_weights: Annotated[
        str | None, typer.Option(help="File or folder with timm's tensor names, or 'efficientnet-lite2'.")
    ] = None,
    detector_weights: Annotated[
        str | None, typer.Option(help="Folder of RT-DETR, transformers' format.")
    ] = None,
    text_encoder: Annotated[str | None, typer.Option(help="Folder of a BERT, transformers' format.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Another seed than the recipe's, for runs that are averaged.")
    ] = None,
    settings: Settings = None,
    zones: Zones = "captions",
    tensorboard: Annotated[
        bool, typer.Option(help="Also log for TensorBoard (package tensorboard), in OUT/tensorboard.")
    ] = False,
) -> None:
    """Train a model, or resume a stopped run."""
    from training.data.folds import fold_at
    from training.labels.pseudo_labels import with_labels
    from training.loop.fit import Run, fit
    from training.teacher_predictions import read_teacher_predictions

    with one_line_errors():
        named: dict[str, Any] = {
            "image_weights": image_weights,
            "detector_weights": detector_weights,
            "text_encoder": text_encoder,
            "seed": seed,
        }
        chosen = load_recipe(recipe, settings or ())
        chosen = chosen.model_copy(update={name: value for name, value in named.items() if value is not None})
        train, valid = read_train_and_valid(data, captions=chosen.captions, zones=zones)
        if labels is not None:
            train = with_labels(train, labels)
        children = 0
        if normals is not None:
            train += read_normals(normals, "train")
            children = len(read_children(normals, "train"))
        predictions = None if opinions is None else read_teacher_predictions(opinions)
        left_out = None if leave_out is None else fold_at(leave_out)
        run = Run(
            out=out,
            epochs=epochs,
            start_from=start_from,
            teacher_predictions=predictions,
            devices=devices,
            left_out=left_out,
            children_left_out=children,
            settings=tuple(settings or ()),
            tensorboard=tensorboard,
        )
        last = fit(chosen, train, valid, run)
    typer.echo(f"Last checkpoint: {last}")


if __name__ == "__main__":
    app()
