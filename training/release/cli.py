"""`sgseg-train average`, `export` and `card`: from runs to weights that the node loads, and what is said of them."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.model_records import INPUT_SIZE
from training.cli_options import Data, Normals, Zones, allowed_sizes, one_line_errors
from training.data import Captions, read_captioned, read_normals, splits_of, survey_split
from training.data.train_and_valid import read_train_and_valid

app = typer.Typer()


@app.command("average")
def average_command(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="The last.ckpt of a run, or a folder of weights; all began with the same weights."
        ),
    ],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for the weights; neither calibrated nor measured.")],
    normals: Normals | None = None,
    zones: Zones = "captions",
) -> None:
    """Average the weights of several runs (or take those of one), to begin a run with them or to export them."""
    from training.release.average import average

    with one_line_errors():
        train, _ = read_train_and_valid(data, captions="original", zones=zones)
        train += [] if normals is None else read_normals(normals, "train")
        manifest = average(sources, train, out=out)
    typer.echo(f"Weights {manifest.sha256[:8]}: {out}")


@app.command("export")
def export_command(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="The last.ckpt of a run, or a folder of weights, for other passes or thresholds; "
            "several: members of an ensemble."
        ),
    ],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for weights, manifest and model card.")],
    normals: Normals | None = None,
    name: Annotated[str, typer.Option(help="Name of the algorithm in the results.")] = "SGSeg compact",
    flip: Annotated[
        bool,
        typer.Option(
            help="Add passes over the mirror image: one model takes twice the time, several share the passes."
        ),
    ] = False,
    sizes: Annotated[
        list[int] | None,
        typer.Option("--size", help="Image size of the passes (a multiple of 32); may be given again."),
    ] = None,
    bits: Annotated[
        int, typer.Option(help="Bits per weight in the file: 16, or 8 if the file would be too large.")
    ] = 16,
    zones: Zones = "captions",
) -> None:
    """Turn checkpoints (or weights) into weights that the node loads; calibrate and measure them on valid."""
    from training.release.checkpoints import captions_of
    from training.release.export import Release, Splits, export

    with one_line_errors():
        if bits not in (8, 16):
            raise ConfigError(f"--bits {bits}: a weight has 16 or 8")
        captions = captions_of(sources[0])
        train, valid = read_train_and_valid(data, captions=captions, zones=zones)
        splits = Splits(
            train=train + ([] if normals is None else read_normals(normals, "train")),
            valid=valid,
            valid_normals=[] if normals is None else read_normals(normals, "valid"),
            captions=captions,
            other_caption=_other_captions(data, captions),
        )
        release = Release(
            name=name,
            test_time_flip=flip,
            test_time_sizes=allowed_sizes(sizes) or (INPUT_SIZE,),
            bits=8 if bits == 8 else 16,
        )
        manifest = export(sources, splits, out=out, release=release)
    typer.echo(json.dumps(manifest.metrics, indent=2))


def _other_captions(data: Path, captions: Captions) -> int:
    """Count the valid images whose caption of the other kind is used; where there is no valid split, none."""
    if "valid" not in splits_of(data):
        return 0
    return len(survey_split(data, "valid", captions=captions).other_caption)


@app.command("export-graph")
def export_graph_command(
    weights: Annotated[
        Path, typer.Argument(help="Folder of exported weights, with their heads if there are any.")
    ],
) -> None:
    """Write the graph that OpenVINO runs without torch, beside the weights."""
    from training.release.export_graph import export_graph

    with one_line_errors():
        manifest = export_graph(weights)
    typer.echo(f"Graph {manifest.sha256[:8]}: {weights}")


@app.command("compare-graph")
def compare_graph_command(
    weights: Annotated[Path, typer.Argument(help="Folder of weights and graph.")],
    data: Data,
    kept: Annotated[Path, typer.Option(help="File that keeps each film's figures: a stopped run goes on.")],
    normals: Normals | None = None,
) -> None:
    """Compare the graph with torch in float32 on valid; write the figures to graph.json."""
    from training.release.agreement import measure_agreement

    with one_line_errors():
        films = read_captioned(data, "valid") + ([] if normals is None else read_normals(normals, "valid"))
        manifest = measure_agreement(weights, films, kept=kept, cache=kept.parent / "compiled")
    typer.echo(json.dumps(manifest.agreement, indent=2))


@app.command("card")
def card_command(
    weights: Annotated[Path, typer.Argument(help="Folder of exported weights.")],
    figures: Annotated[
        Path | None,
        typer.Option(help="JSON file of `evaluate --other`: its figures go to the manifest first."),
    ] = None,
    documents: Annotated[
        list[Path] | None,
        typer.Option("--into", help="Document whose marked places get the tables; may be given again."),
    ] = None,
) -> None:
    """Write the model card anew, with figures on films of other hospitals; fill the tables of documents."""
    from training.release.measured_elsewhere import fill_documents, heads_of, record_figures

    with one_line_errors():
        manifest = record_figures(weights, figures)
        fill_documents(documents or (), manifest, heads_of(weights))
    typer.echo(f"Card of {manifest.name} {manifest.version}: {weights}")


@app.command("known-answer")
def known_answer_command(
    weights: Annotated[Path, typer.Argument(help="Folder of exported weights.")],
) -> None:
    """Write what the weights say of a drawn image, by torch in float32: `sgseg-node doctor` compares with it."""
    from training.release.known_answer import write_known_answer

    with one_line_errors():
        path = write_known_answer(weights)
    typer.echo(str(path))
