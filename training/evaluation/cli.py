"""`sgseg-train evaluate`, `guidance-gain` and `robustness`: measure weights."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sgseg_dicom.inference.network import GuidedBy
from training.cli_options import Data, Normals, one_line_errors, require_writable, write_json
from training.data import Captions, read_normals, read_split, survey_split, warn_of

app = typer.Typer()


@app.command("evaluate")
def evaluate_command(
    data: Data,
    split: Annotated[str, typer.Option(help="Name of the split.")] = "valid",
    weights: Annotated[
        Path | None, typer.Option(help="Folder of weights, or its model.safetensors; none: those that ship.")
    ] = None,
    normals: Normals | None = None,
    captions: Annotated[
        Captions, typer.Option(help="Captions that the zones are compared with.")
    ] = "original",
    guidance: Annotated[
        GuidedBy, typer.Option(help="What guides the decoder; the node uses its own report.")
    ] = "generated",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here as well.")] = None,
) -> None:
    """Measure weights on a split; the model writes its own report, unless --guidance says otherwise."""
    from sgseg_dicom.inference.network import load_network
    from training.evaluation.evaluate import evaluate

    with one_line_errors():
        require_writable(json_file)
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
    """Measure what the model's own report is worth: Dice with it minus Dice without it, by patient."""
    from sgseg_dicom.inference.network import load_network
    from training.evaluation.guidance_gain import guidance_gain

    with one_line_errors():
        require_writable(json_file)
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
    every: Annotated[int, typer.Option(min=1, help="Take one image of so many; all images take hours.")] = 8,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here as well.")] = None,
) -> None:
    """Measure weights on images that are changed as if they came from another hospital."""
    from sgseg_dicom.inference.network import load_network
    from training.evaluation.robustness import robustness, table_of

    with one_line_errors():
        require_writable(json_file)
        items = read_split(data, split)[::every]
        healthy = [] if normals is None else read_normals(normals, split, undivided=True)[::every]
        network = load_network(weights)
        rows = robustness(network, items, healthy)
        what = {"split": split, "weights": network.manifest.sha256, "every": every}
        typer.echo(table_of(rows))
        write_json(json_file, what | {"images": len(items), "normals": len(healthy), "changes": rows})
