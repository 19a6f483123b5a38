"""`sgseg-train`: from folders of data to weights, and what they are worth."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.inference.network import GuidedBy
from sgseg_dicom.preprocess import INPUT_SIZE
from training.cli_options import Data, Normals, allowed_sizes, told, writable, write_json
from training.cli_start import app as begin_app
from training.data import (
    Captions,
    read_captioned,
    read_normals,
    read_split,
    survey_split,
    warn_of,
)
from training.image_check.cli import app as view_app
from training.recipe import load_recipe

app = typer.Typer(
    help="Reproduce SGSeg: from QaTa-COV19 to the weights that the node loads.", no_args_is_help=True
)

app.add_typer(begin_app)  # `pseudo-label`, `teach`, `sam2` and `begin`
app.add_typer(view_app)  # `view` and `view-check`


@app.callback()
def sgseg_train() -> None:
    """Reproduce SGSeg: from QaTa-COV19 to the weights that the node loads."""


@app.command("prepare")
def prepare_command(
    data: Data,
    out: Annotated[Path, typer.Option(help="Manifest to write (JSON).")],
    normals: Normals | None = None,
    captions: Annotated[Captions, typer.Option(help="Which captions the zones come from.")] = "original",
) -> None:
    """Write down what there is of each image, with digests; say what is dropped and why."""
    from training.data.inventory import manifest_of, summary_of

    with told():
        writable(out)
        manifest = manifest_of(data, normals, captions=captions)
        typer.echo(summary_of(manifest))
        write_json(out, manifest)


@app.command("fit")
def fit_command(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of checkpoints and logs; a run found there is resumed.")],
    recipe: Annotated[
        str, typer.Option(help="Name of a packaged recipe, or a TOML file (table in training/README.md).")
    ] = "compact",
    normals: Normals | None = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Stop early after so many epochs, to resume later.")
    ] = None,
    start_from: Annotated[Path | None, typer.Option(help="Folder of exported weights to begin with.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Zone labels of `pseudo-label`; none: the grammar's.")
    ] = None,
    opinions: Annotated[
        Path | None, typer.Option(help="File of `teach`, for a recipe that learns from opinions.")
    ] = None,
    devices: Annotated[int, typer.Option(min=1, help="GPUs, or CPU processes, that share a batch.")] = 1,
    leave_out: Annotated[
        str | None,
        typer.Option(
            help='Part of train that it does not learn, "0/4" the first of four: for `teach --unseen`.'
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
        int | None, typer.Option(help="Another seed than the recipe's, for runs to average.")
    ] = None,
) -> None:
    """Train a model; stopped runs resume."""
    from training.data.folds import fold_at
    from training.labels.pseudo_labels import with_labels
    from training.loop.fit import Run, fit
    from training.teacher_predictions import read_opinions

    with told():
        named: dict[str, Any] = {
            "image_weights": image_weights,
            "detector_weights": detector_weights,
            "text_encoder": text_encoder,
            "seed": seed,
        }
        chosen = load_recipe(recipe)
        chosen = chosen.model_copy(update={name: value for name, value in named.items() if value is not None})
        train = read_captioned(data, "train", captions=chosen.captions)
        valid = read_captioned(data, "valid", captions=chosen.captions)
        if labels is not None:
            train = with_labels(train, labels)
        if normals is not None:
            train += read_normals(normals, "train")
        thought = None if opinions is None else read_opinions(opinions)
        left_out = None if leave_out is None else fold_at(leave_out)
        run = Run(
            out=out,
            epochs=epochs,
            start_from=start_from,
            opinions=thought,
            devices=devices,
            left_out=left_out,
        )
        last = fit(chosen, train, valid, run)
    typer.echo(f"Last checkpoint: {last}")


@app.command("evaluate")
def evaluate_command(
    data: Data,
    split: Annotated[str, typer.Option(help="Name of the split.")] = "valid",
    weights: Annotated[
        Path | None, typer.Option(help="Folder of weights, or its model.safetensors; none: those that ship.")
    ] = None,
    normals: Normals | None = None,
    captions: Annotated[
        Captions, typer.Option(help="Which captions the zones are compared with.")
    ] = "original",
    guidance: Annotated[
        GuidedBy, typer.Option(help="What guides the decoder; the node uses its own report.")
    ] = "generated",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here as well.")] = None,
) -> None:
    """Measure weights on a split, text-free unless told otherwise."""
    from sgseg_dicom.inference.network import load_network
    from training.evaluation.evaluate import evaluate

    with told():
        writable(json_file)
        survey = survey_split(data, split, captions=captions)
        warn_of(survey, split, captions=captions)
        healthy = [] if normals is None else read_normals(normals, split, undivided=True)
        network = load_network(weights)
        figures = evaluate(network, survey.items, healthy, guided_by=guidance)
        figures = {"split": split, "captions": captions, "weights": network.manifest.sha256} | figures
        figures |= {"left_out": len(survey.dropped), "other_caption": len(survey.other_caption)}
        typer.echo(json.dumps(figures, indent=2))
        write_json(json_file, figures)


@app.command("guidance-gain")
def guidance_gain_command(
    data: Data,
    split: Annotated[str, typer.Option(help="Name of the split.")] = "valid",
    weights: Annotated[Path | None, typer.Option(help="Folder of weights; none: those that ship.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here as well.")] = None,
) -> None:
    """Measure what the model's own report is worth: Dice with it less Dice without, patient by patient."""
    from sgseg_dicom.inference.network import load_network
    from training.evaluation.guidance_gain import guidance_gain

    with told():
        writable(json_file)
        items = read_split(data, split)
        network = load_network(weights)
        figures = {"split": split, "weights": network.manifest.sha256} | guidance_gain(network, items)
        typer.echo(json.dumps(figures, indent=2))
        write_json(json_file, figures)


@app.command("robustness")
def robustness_command(
    data: Data,
    split: Annotated[str, typer.Option(help="Name of the split.")] = "valid",
    weights: Annotated[Path | None, typer.Option(help="Folder of weights; none: those that ship.")] = None,
    normals: Normals | None = None,
    every: Annotated[int, typer.Option(min=1, help="Take one image in so many; all take hours.")] = 8,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here as well.")] = None,
) -> None:
    """Measure weights on images made to look as if they came from another hospital."""
    from sgseg_dicom.inference.network import load_network
    from training.evaluation.robustness import robustness, table_of

    with told():
        writable(json_file)
        items = read_split(data, split)[::every]
        healthy = [] if normals is None else read_normals(normals, split, undivided=True)[::every]
        network = load_network(weights)
        rows = robustness(network, items, healthy)
        what = {"split": split, "weights": network.manifest.sha256, "every": every}
        typer.echo(table_of(rows))
        write_json(json_file, what | {"images": len(items), "normals": len(healthy), "changes": rows})


@app.command("ablate")
def ablate_command(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the runs; what is measured there is not run again.")],
    table: Annotated[
        Literal["2", "1"], typer.Option(help="2: ablations of SGSeg. 1: image-only baselines.")
    ] = "2",
    recipe: Annotated[str, typer.Option(help="Budget, data and augmentation of every method.")] = "tables",
    only: Annotated[list[str] | None, typer.Option(help="Name of a method; may be given again.")] = None,
) -> None:
    """Train and measure the methods of the paper's Table 2 (or Table 1) on the same data and budget."""
    from training.paper.methods import methods_of
    from training.paper.tables import measure_methods, measured, table_of

    with told():
        chosen = load_recipe(recipe)
        methods = methods_of(table, chosen)
        if unknown := set(only or ()) - set(methods):
            raise ConfigError(f"no method is named {sorted(unknown)}; known: {list(methods)}")
        asked = {name: build for name, build in methods.items() if not only or name in only}
        train = read_captioned(data, "train", captions=chosen.captions)
        valid = read_captioned(data, "valid", captions=chosen.captions)
        table_file = out / f"table-{table}.md"
        measure_methods(asked, chosen, train, valid, out=out)
        table_file.write_text(table_of(measured(methods, out=out)) + "\n")
    typer.echo(table_file.read_text())


@app.command("figures")
def figures_command(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the PNG files.")],
    split: Annotated[str, typer.Option(help="Name of the split.")] = "valid",
    weights: Annotated[Path | None, typer.Option(help="Folder of weights; none: those that ship.")] = None,
    text_encoder: Annotated[str, typer.Option(help="Whose tokens the reports are shown in.")] = "minilm",
) -> None:
    """Draw the paper's figures, a calibration curve, and Dice by lesion size."""
    from sgseg_dicom.inference.network import load_network
    from training.paper.figures import draw_figures
    from training.start.pretrained import load_text_encoder

    with told():
        tokenizer = load_text_encoder(text_encoder).tokenizer
        for path in draw_figures(load_network(weights), read_split(data, split), tokenizer, out=out):
            typer.echo(str(path))


@app.command("average")
def average_command(
    sources: Annotated[
        list[Path], typer.Argument(help="The last.ckpt of a run, or a folder of weights; runs of one start.")
    ],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for the weights; neither calibrated nor measured.")],
    normals: Normals | None = None,
) -> None:
    """Average the weights of several runs (or take those of one), to begin a run with or to export."""
    from training.release.average import average

    with told():
        train = read_captioned(data, "train") + ([] if normals is None else read_normals(normals, "train"))
        manifest = average(sources, train, out=out)
    typer.echo(f"Weights {manifest.sha256[:8]}: {out}")


@app.command("export")
def export_command(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="The last.ckpt of a run, or a folder of weights to judge in another way; "
            "several: models that judge together."
        ),
    ],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for weights, manifest and model card.")],
    normals: Normals | None = None,
    name: Annotated[str, typer.Option(help="Of the algorithm, as the results name it.")] = "SGSeg compact",
    flip: Annotated[
        bool,
        typer.Option(
            help="Judge the mirror image too and average: twice the time of one model; several share."
        ),
    ] = False,
    sizes: Annotated[
        list[int] | None,
        typer.Option("--size", help="Judge at this size (a multiple of 32); given again, averaged."),
    ] = None,
    bits: Annotated[
        int, typer.Option(help="Of a weight in the file: 16, or 8 where it would be too large.")
    ] = 16,
) -> None:
    """Turn a checkpoint (or weights) into weights that the node loads; calibrates and measures on valid."""
    from training.release.checkpoints import captions_of
    from training.release.export import Release, Splits, export

    with told():
        if bits not in (8, 16):
            raise ConfigError(f"--bits {bits}: a weight has 16 or 8")
        captions = captions_of(sources[0])
        train = read_captioned(data, "train", captions=captions)
        splits = Splits(
            train=train + ([] if normals is None else read_normals(normals, "train")),
            valid=read_captioned(data, "valid", captions=captions),
            valid_normals=[] if normals is None else read_normals(normals, "valid"),
            captions=captions,
            other_caption=len(survey_split(data, "valid", captions=captions).other_caption),
        )
        release = Release(
            name=name,
            test_time_flip=flip,
            test_time_sizes=allowed_sizes(sizes) or (INPUT_SIZE,),
            bits=8 if bits == 8 else 16,
        )
        manifest = export(sources, splits, out=out, release=release)
    typer.echo(json.dumps(manifest.metrics, indent=2))


if __name__ == "__main__":
    app()
